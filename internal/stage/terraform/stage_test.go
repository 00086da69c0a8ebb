package terraform

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const shop = `terraform {
  required_version = ">= 1.5"
}

variable "password" {
  type      = string
  sensitive = true
}

variable "instances" {
  type    = number
  default = 2
}

variable "engine" {
  type    = string
  default = "15"
}

resource "terraform_data" "web" {
  count = var.instances
  input = "web-${count.index}"
}

resource "terraform_data" "database" {
  input            = { password = var.password, engine = var.engine }
  triggers_replace = var.engine
}

module "network" {
  source = "./network"
}

output "endpoint" {
  value = "db-${var.engine}.example.com"
}

output "hosts" {
  value = terraform_data.web[*].output
}

output "password" {
  value     = var.password
  sensitive = true
}
`

const network = `resource "terraform_data" "vpc" {
  input = "10.0.0.0/16"
}
`

const password = "correct-horse-battery-staple"

func shopWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, map[string]string{"infra/main.tf": shop, "infra/network/main.tf": network})
	w.secrets, w.named = map[string]string{"TF_VAR_password": password}, []string{"TF_VAR_password"}
	return w
}

func TestPlanAndApply(t *testing.T) {
	w := shopWorld(t)
	p := w.planned(t)
	if p.verdict.Title != "4 to add, 0 to change, 0 to destroy" {
		t.Errorf("title = %q", p.verdict.Title)
	}
	if len(p.Recorded.Parts) != 1 {
		t.Fatalf("parts = %+v", p.Recorded.Parts)
	}
	part := p.Recorded.Parts[0]
	if part.Kind != pipeline.PartPlan || part.Name != "terraform-provision (production)" || len(part.Value) != 64 ||
		part.Detail != "4 to add, 0 to change, 0 to destroy" || part.ExtraApproval != "" {
		t.Errorf("part = %+v", part)
	}
	if p.Recorded.Outputs["endpoint"] != "db-15.example.com" || p.Recorded.Outputs["hosts"] != "" {
		t.Errorf("outputs of the preparation = %q", p.Recorded.Outputs)
	}
	tree, _ := p.SectionTitled("Changes")
	if want := "  + terraform_data.database\n  + terraform_data.web[0]\n  + terraform_data.web[1]\nmodule.network\n    + terraform_data.vpc"; tree.Code != want {
		t.Errorf("tree:\n%s", tree.Code)
	}
	if text := string(p.Recorded.Artifacts[planText]); !strings.Contains(text, "# terraform_data.database will be created") {
		t.Errorf("text of the plan:\n%s", text)
	}
	if w.planned(t).Recorded.Parts[0].Value != part.Value {
		t.Error("the same plan has two values")
	}

	a := w.apply(t.Context(), t, p)
	wantVerdict(t, a, pipeline.StatusSuccess, "Applied: 4 added, 0 changed, 0 destroyed", "")
	var outputs map[string]any
	if err := json.Unmarshal(a.Recorded.Artifacts[outputsFile], &outputs); err != nil {
		t.Fatal(err)
	}
	if outputs["endpoint"] != "db-15.example.com" || len(outputs["hosts"].([]any)) != 2 || outputs["password"] != nil {
		t.Errorf("artifact = %v", outputs)
	}
	if a.Recorded.Outputs["endpoint"] != "db-15.example.com" || a.Recorded.Outputs["hosts"] != `["web-0","web-1"]` || a.Recorded.Outputs["password"] != "" {
		t.Errorf("outputs = %q", a.Recorded.Outputs)
	}
	section, _ := a.SectionTitled("Outputs")
	if !strings.Contains(section.Text, "Left out, because sensitive: password.") || !strings.Contains(section.Text, "-chdir=infra output -raw password") {
		t.Errorf("section = %q", section.Text)
	}
	again := w.planned(t)
	if again.verdict.Title != "No changes" || again.Recorded.Parts[0].Detail != "no changes" {
		t.Errorf("after the apply: %+v, %+v", again.verdict, again.Recorded.Parts)
	}
	nothing := w.apply(t.Context(), t, again)
	wantVerdict(t, nothing, pipeline.StatusSuccess, "Nothing to apply", "")
	if nothing.Recorded.Outputs["endpoint"] != "db-15.example.com" {
		t.Errorf("outputs = %q", nothing.Recorded.Outputs)
	}
}

func TestReplaceAndDestroy(t *testing.T) {
	w := shopWorld(t)
	w.applied(t)
	w.with = map[string]any{"vars": map[string]any{"instances": 1, "engine": "16"}}
	p := w.planned(t)
	if want := "1 to add, 0 to change, 2 to destroy (1 replaced)"; p.verdict.Title != want {
		t.Errorf("title = %q", p.verdict.Title)
	}
	if want := "the plan destroys 1 resource and replaces 1 resource"; p.Recorded.Parts[0].ExtraApproval != want {
		t.Errorf("extra approval = %q", p.Recorded.Parts[0].ExtraApproval)
	}
	// Terraform itself shows the password here: it went through an attribute that terraform_data computes.
	if text := told(t, p.Session); strings.Contains(text, password) || !strings.Contains(text, "***") {
		t.Error("the password is told, or was not there to be masked")
	}
	// The commit's own word does not lift it.
	w.with["allow-destroy"] = true
	if extra := w.planned(t).Recorded.Parts[0].ExtraApproval; extra == "" {
		t.Error("no extra approval, because the commit itself says so")
	}
	delete(w.with, "allow-destroy")
	a := w.apply(t.Context(), t, p)
	wantVerdict(t, a, pipeline.StatusSuccess, "Applied: 1 added, 0 changed, 2 destroyed", "")
	if a.Recorded.Outputs["endpoint"] != "db-16.example.com" {
		t.Errorf("outputs = %q", a.Recorded.Outputs)
	}

	w.action = pipeline.ActionDestroy
	down := w.planned(t)
	if want := "Takes everything down: 0 to add, 0 to change, 3 to destroy"; down.verdict.Title != want || down.Recorded.Parts[0].ExtraApproval == "" {
		t.Errorf("title = %q, extra approval = %q", down.verdict.Title, down.Recorded.Parts[0].ExtraApproval)
	}
	wantVerdict(t, w.apply(t.Context(), t, down), pipeline.StatusSuccess, "Applied: 0 added, 0 changed, 3 destroyed", "")
	if again := w.planned(t); again.verdict.Title != "Nothing to destroy" {
		t.Errorf("title = %q", again.verdict.Title)
	}
}

func TestSensitiveValuesAreNotTold(t *testing.T) {
	w := shopWorld(t)
	// Not a secret of the stage: only Terraform knows that it is sensitive.
	w.secrets, w.named = nil, nil
	w.files["infra/main.tf"] = strings.Replace(shop, "sensitive = true\n}", "sensitive = true\n  default   = \"correct-horse\"\n}", 1) + `
resource "terraform_data" "told" {
  input            = var.password
  triggers_replace = terraform_data.database.id
  provisioner "local-exec" {
    command = "echo the password is ${self.output}"
  }
}
`
	p := w.planned(t)
	a := w.apply(t.Context(), t, p)
	wantVerdict(t, a, pipeline.StatusSuccess, "Applied", "")
	w.with = map[string]any{"vars": map[string]any{"engine": "16"}}
	second := w.planned(t)
	for name, s := range map[string]prepared{"plan": p, "apply": a, "plan of a replacement": second} {
		if text := told(t, s.Session); strings.Contains(text, "correct-horse") {
			t.Errorf("the %s tells the password:\n%s", name, text)
		}
	}
	if !strings.Contains(a.LogText(), "the password is ***") {
		t.Errorf("the output of the provisioner is missing:\n%s", a.LogText())
	}
}

func TestPullRequest(t *testing.T) {
	w := shopWorld(t)
	w.steps = pipeline.PrepareOnly
	p := w.planned(t)
	if len(p.Recorded.Private) != 0 || len(p.Recorded.Parts) != 0 {
		t.Errorf("a plan that nobody applies is kept: %d files, %d parts", len(p.Recorded.Private), len(p.Recorded.Parts))
	}
	if p.verdict.Title != "4 to add, 0 to change, 0 to destroy" {
		t.Errorf("title = %q", p.verdict.Title)
	}
}

func TestWorkspacesAndVariables(t *testing.T) {
	w := newWorld(t, map[string]string{
		"infra/main.tf":      "variable \"size\" {}\nvariable \"tags\" { type = map(string) }\noutput \"all\" {\n  value = \"${terraform.workspace}:${var.size}:${var.tags.team}\"\n}\n",
		"infra/small.tfvars": "size = \"small\"\ntags = { team = \"a\" }\n",
		"vars/prod.tfvars":   "size = \"large\"\n",
	})
	w.with = map[string]any{
		"workspace": "blue", "var-files": []string{"small.tfvars", "vars/prod.tfvars"}, "vars": map[string]any{"tags": map[string]any{"team": "b"}},
	}
	if got := w.applied(t).Recorded.Outputs["all"]; got != "blue:large:b" {
		t.Errorf("output = %q", got)
	}
	w.with["workspace"] = "green"
	if title := w.planned(t).verdict.Title; title != "Only outputs change" {
		t.Errorf("another workspace: %q", title)
	}
	w.with["workspace"] = "blue"
	if title := w.planned(t).verdict.Title; title != "No changes" {
		t.Errorf("the same workspace: %q", title)
	}
	w.with["var-files"] = []string{"absent.tfvars"}
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "There is no absent.tfvars", "neither that nor infra/absent.tfvars")
}

func TestSeveralDirectories(t *testing.T) {
	w := newWorld(t, map[string]string{
		"infra/a/main.tf": "resource \"terraform_data\" \"a\" {}\n", "infra/b/main.tf": "resource \"terraform_data\" \"b\" {}\n",
	})
	for _, dir := range []string{"infra/a", "infra/b"} {
		w.with = map[string]any{"dir": dir}
		w.applied(t)
	}
	for _, dir := range []string{"infra/a", "infra/b"} {
		w.with = map[string]any{"dir": dir}
		if title := w.planned(t).verdict.Title; title != "No changes" {
			t.Errorf("%s: %q: the states are not apart", dir, title)
		}
	}
}
