package terraform

import (
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// A plan that nobody applies makes no workspace: that would lock the state and write into its bucket.
func TestWorkspaceThatIsNotThere(t *testing.T) {
	w := newBucketWorld(t, aThing+"output \"workspace\" {\n  value = terraform.workspace\n}\n", "acme-state")
	w.with = map[string]any{"workspace": "blue"}
	w.steps = pipeline.PrepareOnly
	p := w.planned(t)
	if p.verdict.Title != "1 to add, 0 to change, 0 to destroy" || p.Recorded.Outputs["workspace"] != "blue" {
		t.Errorf("title = %q, outputs = %v", p.verdict.Title, p.Recorded.Outputs)
	}
	if keys := w.keys(t); len(keys) > 0 {
		t.Errorf("a pull request wrote %q", keys)
	}
	if section, _ := p.SectionTitled("The workspace blue"); !strings.Contains(section.Text, "the deploy makes the workspace") {
		t.Errorf("section = %+v", section)
	}
	if _, told := p.SectionTitled("Where the state is"); told {
		t.Error("the state is said to be on this machine")
	}

	w.steps = pipeline.PrepareThenApply
	w.applied(t)
	w.steps = pipeline.PrepareOnly
	p = w.planned(t)
	if p.verdict.Title != "No changes" {
		t.Errorf("title = %q: the workspace is there now", p.verdict.Title)
	}
	if _, told := p.SectionTitled("The workspace blue"); told {
		t.Error("a workspace that is there is said not to be")
	}
}

func TestEnvironmentsThatShareAState(t *testing.T) {
	w := newBucketWorld(t, aThing, "acme-state")
	w.alike = []string{"staging"}
	p := w.planned(t)
	finding, found := findingOf(p.Session, "shared-state")
	if !found || finding.Path != "infra/backend.tf" || finding.Line != 2 || !strings.Contains(finding.Message, "production has its state in s3://acme-state/shop/terraform.tfstate, and so has staging") {
		t.Errorf("finding = %+v", finding)
	}
	delete(w.files, "infra/backend.tf") // each environment has a file of its own
	p = w.planned(t)
	if finding, found := findingOf(p.Session, "shared-state"); found {
		t.Errorf("finding = %+v", finding)
	}
}

// Legs of a matrix that name different files of state do not share one.
func TestLocalStatesByPath(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": "terraform {\n  backend \"local\" {\n    path = \"shop.tfstate\"\n  }\n}\n" + aThing})
	w.applied(t)
	for path, title := range map[string]string{"a.tfstate": "1 to add, 0 to change, 0 to destroy", "shop.tfstate": "No changes"} {
		w.with = map[string]any{"backend-config": map[string]any{"path": path}}
		if p := w.planned(t); p.verdict.Title != title {
			t.Errorf("%s: %q", path, p.verdict.Title)
		}
	}
	p := w.planned(t)
	if section, _ := p.SectionTitled("Where the state is"); !strings.Contains(section.Text, "The configuration keeps its state in a file, ") || strings.Contains(section.Text, "names no backend") {
		t.Errorf("section = %q", section.Text)
	}
}
