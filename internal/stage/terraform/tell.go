package terraform

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

const (
	planText = "terraform-plan.txt"
	// maxPlanText bounds the plan as Terraform writes it, which is an artifact; shownPlanText what of it stands in the summary.
	maxPlanText   = 64 << 20
	shownPlanText = 60 << 10
	// maxOutput bounds an output that becomes a variable of later stages, maxOutputs all of them together.
	maxOutput  = 16 << 10
	maxOutputs = 128 << 10
)

// readPlan reads a saved plan without ever holding it whole.
func (a *attempt) readPlan(ctx context.Context, file string) (report.Plan, error) {
	read, write := io.Pipe()
	type answer struct {
		plan report.Plan
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		plan, err := report.ReadPlan(read)
		_, _ = io.Copy(io.Discard, read) // a writer that nobody reads would wait for ever
		answered <- answer{plan, err}
	}()
	exit, err := a.run(ctx, command{args: []string{"show", "-json", "-no-color", file}, stdout: write})
	_ = write.Close() // never fails
	got := <-answered
	switch {
	case err != nil:
		return report.Plan{}, err
	case !exit.OK():
		return report.Plan{}, a.broken("terraform show", exit)
	case got.err != nil:
		return report.Plan{}, fail("The plan cannot be shown", "%s", sentence(got.err.Error()))
	}
	return got.plan, nil
}

// tell shows the plan: what matters first, then all of it.
func (a *attempt) tell(ctx context.Context, file string, plan report.Plan) error {
	for _, section := range plan.Sections() {
		a.s.Section(section)
	}
	a.localRemark()
	a.sharedRemark()
	a.tellOutputs(plan)
	if plan.Sensitive.Many {
		a.s.Section(pipeline.Section{
			Title: "The whole plan",
			Text:  "The plan holds more sensitive values than can be masked, so that its full text is not shown.",
		})
		return nil
	}
	return a.tellText(ctx, file)
}

// tellText keeps the plan as Terraform writes it.
func (a *attempt) tellText(ctx context.Context, file string) error {
	root, err := os.OpenRoot(a.s.Scratch())
	if err != nil {
		return fmt.Errorf("write %s: %w", planText, err)
	}
	defer root.Close() //nolint:errcheck // every write is checked
	target, err := root.OpenFile(planText, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", planText, err)
	}
	var head bytes.Buffer
	whole := &bounded{to: io.MultiWriter(target, &bounded{to: &head, left: shownPlanText}), left: maxPlanText}
	exit, err := a.run(ctx, command{args: []string{"show", "-no-color", file}, stdout: whole})
	if whole.over {
		_, _ = target.WriteString("\n… the rest is left out\n") // a remark to a text that was written
	}
	if closed := target.Close(); err == nil && closed != nil {
		err = fmt.Errorf("write %s: %w", planText, closed)
	}
	if err != nil {
		return err
	}
	if !exit.OK() {
		return a.broken("terraform show", exit)
	}
	section := pipeline.Section{Title: "The whole plan", Code: head.String(), Folded: true}
	if head.Len() == shownPlanText {
		section.Text = "The beginning; all of it is in " + planText + " among the artifacts."
	}
	a.s.Section(section)
	// Losing the text is no reason to lose the plan.
	if err := a.s.Artifact(planText, filepath.Join(a.s.Scratch(), planText)); err != nil {
		a.s.Log(err.Error())
	}
	return nil
}

// tellOutputs hands on what is known of the outputs already: stages that prepare after this one are to prepare with what
// will be. The apply tells them again.
func (a *attempt) tellOutputs(plan report.Plan) {
	var all outputs
	for _, o := range plan.Outputs {
		if o.Known && o.Action != report.PlanDelete {
			all.add(o.Name, false, o.Value)
		}
	}
	all.hand(a.s)
}
