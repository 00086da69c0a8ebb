package terraform

import (
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// What is lost for good is named to whoever approves it, whatever the stage allows, and to the end.
func TestWhatIsLostIsNamed(t *testing.T) {
	plan, err := report.ReadPlan(strings.NewReader(`{"format_version":"1.2","terraform_version":"1.11.4","resource_changes":[` +
		`{"address":"aws_db_instance.main","mode":"managed","type":"aws_db_instance","name":"main","change":{"actions":["delete"],"before":{},"after":null}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := stagetest.New(t, stagetest.Options{Task: pipeline.Task{Stage: pipeline.StageSpec{Key: "infra (production)"}}})
	a := attempt{s: s, settings: Settings{AllowDestroy: true}}
	known := facts{Counts: plan.Counts(), Lost: plan.Losses()}
	part := a.part(known, plan)
	if part.Lost != "the database aws_db_instance.main" || part.ExtraApproval == "" {
		t.Errorf("part = %+v", part)
	}
	if title := known.applied("0 added, 0 changed, 1 destroyed"); title != "Applied: 0 added, 0 changed, 1 destroyed; destroyed the database aws_db_instance.main" {
		t.Errorf("title = %q", title)
	}
}
