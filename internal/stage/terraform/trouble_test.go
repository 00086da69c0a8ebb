package terraform

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestMistakesAreAnnotated(t *testing.T) {
	for name, test := range map[string]struct {
		config, rule, title string
		line                int
	}{
		"syntax": {
			config: "resource \"terraform_data\" \"a\" {\n  input =\n}\n", rule: "Invalid expression", title: "terraform init failed: Invalid expression", line: 2,
		},
		"an attribute that is not there": {
			config: "resource \"terraform_data\" \"a\" {\n  input = 1\n  size  = 3\n}\n", rule: "Unsupported argument", title: "terraform validate failed: Unsupported argument", line: 3,
		},
		"a variable without a value": {
			config: "variable \"size\" {}\n\noutput \"size\" {\n  value = var.size\n}\n", rule: "No value for required variable", title: "terraform plan failed: No value for required variable", line: 1,
		},
		"a check that fails": {
			config: "variable \"size\" {\n  default = 3\n  validation {\n    condition     = var.size > 5\n    error_message = \"Too small.\"\n  }\n}\n", rule: "Invalid value for variable", title: "terraform plan failed: Invalid value for variable", line: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(t, map[string]string{"infra/main.tf": test.config}).prepare(t)
			wantVerdict(t, p, pipeline.StatusFailure, test.title, "infra/main.tf:")
			finding, found := findingOf(p.Session, test.rule)
			if !found || finding.Path != "infra/main.tf" || finding.Line != test.line || finding.Level != pipeline.LevelFailure {
				t.Errorf("finding = %+v", finding)
			}
			if p.verdict.Infrastructure {
				t.Error("a mistake counts as an outage")
			}
		})
	}
}

func TestFormatIsRemarked(t *testing.T) {
	w := newWorld(t, map[string]string{
		"infra/main.tf":   "resource \"terraform_data\" \"a\" {\n  input = 1\n}\n\nresource \"terraform_data\" \"b\" {\n    input = 1\n  triggers_replace = 2\n}\n",
		"infra/m/main.tf": "variable   \"a\" {}\n", "infra/fine.tf": "locals {}\n",
	})
	p := w.planned(t)
	var places []string
	for _, f := range p.Recorded.Findings {
		places = append(places, fmt.Sprintf("%s:%d-%d %s", f.Path, f.Line, f.EndLine, f.Level))
	}
	if got := strings.Join(places, ", "); got != "infra/m/main.tf:1-1 notice, infra/main.tf:6-6 notice" && got != "infra/main.tf:6-6 notice, infra/m/main.tf:1-1 notice" {
		t.Errorf("findings: %s", got)
	}
}

func TestVersions(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "terraform {\n  required_version = \"~> 0.12.0\"\n}\n"})
	p := w.prepare(t)
	wantVerdict(t, p, pipeline.StatusFailure, "No fitting Terraform is installed", `required_version "~> 0.12.0" in infra/main.tf:2 asks for another version: this machine has `)
	if !strings.Contains(p.verdict.Cause, w.options.Machine.Path[0]) {
		t.Errorf("cause = %q", p.verdict.Cause)
	}
	w.files["infra/main.tf"] = "terraform {\n  required_version = \"newest\"\n}\n"
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "required_version cannot be read", `"newest"`)
	w.files["infra/main.tf"], w.files[".terraform-version"] = "locals {}\n", "0.11.3\n"
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "No fitting Terraform is installed", "Terraform 0.11.3 in .terraform-version")
	w.options.Machine = Machine{Path: []string{t.TempDir()}}
	delete(w.files, ".terraform-version")
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "Terraform is not installed", "this machine has neither Terraform nor OpenTofu")
}

func TestNothingToPlan(t *testing.T) {
	w := newWorld(t, map[string]string{"README.md": "x", "empty/README.md": "x"})
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "There is no folder infra", "`dir` of the stage names it")
	w.with = map[string]any{"dir": "empty"}
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "There is no configuration in empty", "no *.tf file")
	w.with = map[string]any{"dir": "README.md"}
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "README.md is no folder", "")
}

func TestProviderThatCannotBeFound(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "terraform {\n  required_providers {\n    thing = { source = \"127.0.0.1:1/acme/thing\" }\n  }\n}\n"})
	p := w.prepare(t)
	wantVerdict(t, p, pipeline.StatusFailure, "terraform init failed: ", "")
	if !strings.Contains(p.verdict.Cause, "acme/thing") {
		t.Errorf("cause = %q", p.verdict.Cause)
	}
}

func TestPrivateModule(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
		http.Error(w, "Repository not found.", http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	w := newWorld(t, map[string]string{"infra/main.tf": fmt.Sprintf("module \"private\" {\n  source = \"git::%s/acme/private.git\"\n}\n", server.URL)})
	p := w.prepare(t)
	wantVerdict(t, p, pipeline.StatusFailure, "terraform init failed: Failed to download module", "could not read Username")
	if finding, found := findingOf(p.Session, "Failed to download module"); !found || finding.Line != 1 {
		t.Errorf("finding = %+v", finding)
	}
}

func TestBackendThatCannotBeReached(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "terraform {\n  backend \"http\" {\n    address   = \"http://127.0.0.1:1/state\"\n    retry_max = 0\n  }\n}\n\nresource \"terraform_data\" \"a\" {}\n"})
	p := w.prepare(t)
	wantVerdict(t, p, pipeline.StatusFailure, "failed", "connection refused")
}

func TestApplyThatFails(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": `resource "terraform_data" "good" {}

resource "terraform_data" "bad" {
  depends_on = [terraform_data.good]
  provisioner "local-exec" {
    command = "echo 'api error VpcLimitExceeded: The maximum number of VPCs has been reached.' >&2; exit 3"
  }
}

resource "terraform_data" "after" {
  depends_on = [terraform_data.bad]
}
`})
	a := w.apply(t.Context(), t, w.planned(t))
	wantVerdict(t, a, pipeline.StatusFailure, "terraform apply failed: local-exec provisioner error", "1 of 3 changes made, 1 change not finished.")
	if !strings.Contains(a.verdict.Cause, "infra/main.tf:5") || !strings.Contains(a.verdict.Cause, "VpcLimitExceeded") || !strings.Contains(a.verdict.Cause, "2 resources") {
		t.Errorf("cause = %q", a.verdict.Cause)
	}
	if finding, found := findingOf(a.Session, "local-exec provisioner error"); !found || finding.Line != 5 {
		t.Errorf("finding = %+v", finding)
	}
}

// What was kept is applied only as it was kept, for what it was kept for, and as it was approved.
func TestApplyOfSomethingElse(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "resource \"terraform_data\" \"a\" {}\n"})
	p := w.planned(t)
	for name, test := range map[string]struct {
		change func(w *world, p *prepared)
		title  string
	}{
		"another approval": {func(_ *world, p *prepared) { p.Recorded.Parts[0].Value = strings.Repeat("0", 64) }, "The plan moved: it is not the one that was decided on"},
		"no approval":      {func(_ *world, p *prepared) { p.Recorded.Parts = nil }, "The plan moved: it is not the one that was decided on"},
		"another file": {func(_ *world, p *prepared) {
			p.Recorded.Private[keptPlan] = append([]byte("x"), p.Recorded.Private[keptPlan]...)
		}, "The plan moved: its file"},
		"no file":        {func(_ *world, p *prepared) { delete(p.Recorded.Private, keptPlan) }, "There is no saved plan"},
		"another commit": {func(w *world, _ *prepared) { w.sha = strings.Repeat("cd", 20) }, "The plan moved: it was made for commit abababababab"},
		"another base":   {func(w *world, _ *prepared) { w.base = strings.Repeat("ef", 20) }, "The plan moved: it was made for base"},
		"another state": {func(_ *world, p *prepared) {
			p.Recorded.Private[keptFacts] = replaceFact(t, p.Recorded.Private[keptFacts], "state", state{Serial: 0, Lineage: "6638e010"})
		}, "The plan moved: the state changed since it was made: it was at serial 0 of 6638e010, and is empty"},
		"another stage": {func(w *world, _ *prepared) { w.env = map[string]string{"A": "b"} }, "The plan moved: the definition of the stage"},
		"another wish":  {func(w *world, _ *prepared) { w.action = pipeline.ActionDestroy }, "The plan moved: what is asked for"},
		"another version": {func(_ *world, p *prepared) {
			p.Recorded.Private[keptFacts] = replaceFact(t, p.Recorded.Private[keptFacts], "version", "1.0.1")
		}, "The plan moved: it was made by"},
		"another workspace": {func(_ *world, p *prepared) {
			p.Recorded.Private[keptFacts] = replaceFact(t, p.Recorded.Private[keptFacts], "workspace", "blue")
		}, "The plan moved: it was made for the state in"},
	} {
		t.Run(name, func(t *testing.T) {
			other, changed := *w, prepared{Session: p.Session}
			keep, parts := map[string][]byte{}, append([]pipeline.Part{}, p.Recorded.Parts...)
			maps.Copy(keep, p.Recorded.Private)
			savedPrivate, savedParts := p.Recorded.Private, p.Recorded.Parts
			changed.Recorded.Private, changed.Recorded.Parts = keep, parts
			test.change(&other, &changed)
			a := other.apply(t.Context(), t, changed)
			p.Recorded.Private, p.Recorded.Parts = savedPrivate, savedParts
			wantVerdict(t, a, pipeline.StatusFailure, test.title, "")
			for _, command := range a.Recorded.Commands {
				if len(command) > 1 && command[1] == "apply" {
					t.Error("it was applied")
				}
			}
		})
	}
}

func replaceFact(t *testing.T, text []byte, name string, value any) []byte {
	t.Helper()
	var facts map[string]any
	if err := json.Unmarshal(text, &facts); err != nil {
		t.Fatal(err)
	}
	facts[name] = value
	changed, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestCommittedStates(t *testing.T) {
	w := newWorld(t, map[string]string{
		"infra/main.tf": "terraform {\n  backend \"http\" {}\n}\n",
		"old/terraform.tfstate": `{"version":4,"serial":3,"outputs":{"key":{"value":"hush-hush","type":"string","sensitive":true}},"resources":[
			{"mode":"managed","type":"aws_db_instance","name":"main","instances":[{"attributes":{"password":"hush-hush","username":"app","kms_key_id":"x"},
			"sensitive_attributes":[[{"type":"get_attr","value":"user_data"}],[{"type":"get_attr","value":"username"}]]}]}]}`,
		"old/empty.tfstate.backup":         `{"version":4,"resources":[]}`,
		"infra/.terraform/providers/x":     "x",
		"docs/plan.plan":                   "not one of Terraform's",
		"node_modules/a/terraform.tfstate": "{}",
	})
	p := w.prepare(t)
	var got []string
	for _, f := range p.Recorded.Findings {
		if f.Tool == "slipway" {
			got = append(got, fmt.Sprintf("%s %s %s", f.Path, f.Level, f.Title))
		}
		if strings.Contains(f.Message, "hush-hush") {
			t.Error("the secret is told")
		}
	}
	want := []string{
		"infra/.terraform warning A working folder of Terraform is committed",
		"old/empty.tfstate.backup warning A state of Terraform is committed",
		"old/terraform.tfstate failure A state of Terraform with secrets is committed",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("findings:\n%s", strings.Join(got, "\n"))
	}
	if f, _ := findingOf(p.Session, "terraform-state"); !strings.Contains(p.LogText(), "3 secrets in plain text: output key, aws_db_instance.main.password, aws_db_instance.main.username") {
		t.Errorf("finding = %+v\n%s", f, p.LogText())
	}
}

func TestCommittedStateWithoutBackend(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "locals {}\n", "infra/terraform.tfstate": `{"version":4}`})
	wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "The state is committed, and there is no backend", "terraform init -migrate-state")
}

func TestCommittedPlan(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "variable \"p\" {\n  sensitive = true\n  default   = \"hush-hush\"\n}\n\noutput \"p\" {\n  sensitive = true\n  value     = var.p\n}\n"})
	w.applied(t)
	w.files["infra/main.tf"] += "\nresource \"terraform_data\" \"a\" {}\n"
	plan := w.planned(t).Recorded.Private[keptPlan]
	w.files["infra/saved.tfplan"] = string(plan)
	finding, found := findingOf(w.planned(t).Session, "terraform-plan")
	if !found || finding.Title != "A saved plan of Terraform with secrets is committed" || finding.Level != pipeline.LevelFailure {
		t.Errorf("finding = %+v", finding)
	}
}

func TestHugePlan(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "resource \"terraform_data\" \"many\" {\n  count = 5000\n  input = { index = count.index, text = join(\"\", [for i in range(20) : \"0123456789\"]) }\n}\n"})
	p := w.planned(t)
	if p.verdict.Title != "5000 to add, 0 to change, 0 to destroy" {
		t.Errorf("title = %q", p.verdict.Title)
	}
	text, err := json.Marshal(p.Recorded.Sections)
	if err != nil || len(text) > 256<<10 {
		t.Errorf("the summary has %d bytes (%v)", len(text), err)
	}
	if tree, _ := p.SectionTitled("Changes"); !strings.Contains(tree.Text, "The first 300 of 5000") {
		t.Errorf("tree: %q", tree.Text)
	}
	if strings.Count(string(p.Recorded.Artifacts[planText]), "will be created") != 5000 {
		t.Error("the artifact is not whole")
	}
}

// An output of a hundred megabytes is read away; what is small beside it is handed on.
func TestHugeOutput(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": `locals {
  kilo = join("", [for i in range(1024) : "0123456789"])
  mega = join("", [for i in range(100) : local.kilo])
}

output "small" {
  value = "kept"
}

output "middle" {
  value = local.kilo
}

output "long" {
  value = join("", [local.kilo, local.kilo])
}

output "huge" {
  value = join("", [for i in range(100) : local.mega])
}
`})
	a := w.applied(t)
	if len(a.Recorded.Outputs) != 2 || a.Recorded.Outputs["small"] != "kept" || len(a.Recorded.Outputs["middle"]) != 10240 {
		t.Errorf("%d outputs, small = %q", len(a.Recorded.Outputs), a.Recorded.Outputs["small"])
	}
	section, _ := a.SectionTitled("Outputs")
	if !strings.Contains(section.Text, "larger than 4 MiB: huge.") || !strings.Contains(section.Text, "but in terraform-outputs.json: long.") {
		t.Errorf("section = %q", section.Text)
	}
	if size := len(a.Recorded.Artifacts[outputsFile]); size > 64<<10 {
		t.Errorf("the artifact has %d bytes", size)
	}
	if size := len(a.LogText()); size > 1<<20 {
		t.Errorf("the log has %d bytes", size)
	}
}

func TestReadConfiguration(t *testing.T) {
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "a.tf"), "terraform {\n  required_version = \">= 1.5\"\n  backend \"s3\" {\n    bucket    = \"b\"\n    endpoints = { s3 = \"http://x\" }\n    encrypt   = true\n  }\n}\n")
	mustWrite(t, filepath.Join(dir, "b.tf.json"), `{"terraform":{"required_providers":{"aws":{"source":"hashicorp/aws"}}}}`)
	mustWrite(t, filepath.Join(dir, "broken.tf"), "resource {{{")
	mustWrite(t, filepath.Join(dir, "c_override.tf"), "terraform {\n  backend \"s3\" {\n    bucket = \"c\"\n  }\n}\n")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	c, err := readConfiguration(root, ".")
	if err != nil || c.backend != "s3" || c.settings["bucket"] != "c" || !c.usesAWS || c.tofu || len(c.required) != 1 || c.required[0].place != "a.tf:2" {
		t.Errorf("%+v, %v", c, err)
	}
	mustWrite(t, filepath.Join(dir, "d.tofu"), "provider \"aws\" {\n  profile = \"x\"\n}\n")
	if c, err = readConfiguration(root, "."); err != nil || c.usesAWS || !c.tofu {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzDecodeState(f *testing.F) {
	f.Add(`{"version":4,"serial":7,"lineage":"x","outputs":{},"resources":[{"name":"instances","instances":[{"a":[{}]},{}]},{"instances":[{}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := decodeState(strings.NewReader(text))
		if err == nil && s.Resources < 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDecodeState(t *testing.T) {
	s, err := decodeState(strings.NewReader(`{"version":4,"serial":7,"lineage":"x","outputs":{"instances":[{},{}]},"resources":[{"name":"instances","instances":[{"a":[{}]},{}]},{"instances":[{}]}]}`))
	if err != nil || s != (state{Serial: 7, Lineage: "x", Resources: 3}) {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := decodeState(strings.NewReader("")); err != nil || s.Lineage != "" {
		t.Errorf("nothing: %+v, %v", s, err)
	}
	if _, err := decodeState(strings.NewReader("<html>")); err == nil {
		t.Error("a page is taken for a state")
	}
}
