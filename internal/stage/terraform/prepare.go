package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// What the first step keeps for the second.
const (
	keptPlan     = "terraform.tfplan"
	keptLockFile = "terraform.lock.hcl"
	keptFacts    = "terraform-plan.json"
)

// facts are what a saved plan belongs to. The plan itself is worth nothing without them.
type facts struct {
	Tool    string `json:"tool"`
	Version string `json:"version"`
	Dir     string `json:"dir"`
	// Backend and Workspace are where the state is.
	Backend   string `json:"backend"`
	Workspace string `json:"workspace,omitempty"`
	// State is the one that was planned upon.
	State  state  `json:"state"`
	Commit string `json:"commit"`
	Base   string `json:"base,omitempty"`
	// Stage is the hash of the stage's definition, Plan that of the file.
	Stage string `json:"stage"`
	Plan  string `json:"plan"`
	// Value is what people approve: the part of the candidate.
	Value   string `json:"value"`
	Destroy bool   `json:"destroy,omitempty"`
	// Empty: there is nothing to apply.
	Empty bool `json:"empty,omitempty"`
	// Drifted: nothing is to be done but to take into the state what was changed outside.
	Drifted bool `json:"drifted,omitempty"`
	// Lost names what is destroyed for good or for long.
	Lost string `json:"lost,omitempty"`
	// Counts are what is planned.
	Counts report.Counts `json:"counts"`
}

// prepare makes a plan, shows it, and keeps it for the second step.
func (a *attempt) prepare(ctx context.Context) (pipeline.Verdict, error) {
	a.findCommitted()
	steps := []func(context.Context) error{a.setUp, a.checkAccess, a.checkFormat}
	if a.compares() {
		steps = steps[:2] // the form of the code is no news of the world
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return pipeline.Verdict{}, err
		}
	}
	if err := a.refuseCommittedState(); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.initialise(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.validate(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.lookAround(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	file := filepath.Join(a.s.Scratch(), keptPlan)
	if err := a.plan(ctx, file); err != nil {
		if ctx.Err() != nil && !a.only() {
			return a.planInterrupted(ctx), nil
		}
		return pipeline.Verdict{}, err
	}
	return a.show(ctx, file)
}

// destroys reports whether the infrastructure is to be taken down.
func (a *attempt) destroys() bool { return a.s.Task().Action == pipeline.ActionDestroy }

// only reports whether nothing is applied afterwards: a pull request, or /plan.
func (a *attempt) only() bool { return a.s.Task().Stage.Steps == pipeline.PrepareOnly }

// compares reports whether the clock asked how far what is there has drifted.
func (a *attempt) compares() bool { return a.s.Task().Trigger.Event == pipeline.EventSchedule }

// drift is what a comparison found. What was changed outside is for people to look at, and fails nothing.
func (a *attempt) drift(plan report.Plan) pipeline.Verdict {
	v := pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "No drift"}
	if n := len(plan.Drift); n > 0 {
		v.Status, v.Title = pipeline.StatusNeutral, fmt.Sprintf("Drift: %s changed outside", report.Count(n, "resource"))
		v.Cause = "What is there is not what was applied last: somebody, or something, changed it outside of Terraform. Nothing is put " +
			"right by this check: deploy, and the plan that puts it right is shown and approved, or take the change into the configuration."
	}
	if !plan.Empty() {
		v.Title += fmt.Sprintf("; a plan has %s", plan.Counts())
	}
	return v
}

// plan makes the plan. One that nobody will apply takes no lock: it writes nothing, not even that.
func (a *attempt) plan(ctx context.Context, file string) error {
	return a.s.Step(ctx, "Plan", func(ctx context.Context) (string, error) {
		args := []string{"plan", "-json", "-input=false", "-no-color", "-out=" + file}
		if a.only() {
			args = append(args, "-lock=false")
		} else {
			args = append(args, "-lock-timeout="+a.options.LockTimeout.String())
		}
		if a.destroys() {
			args = append(args, "-destroy")
		}
		variables, err := a.variables()
		if err != nil {
			return "", err
		}
		summary := ""
		exit, err := a.stream(ctx, append(args, variables...), func(said event) {
			if said.Type == "change_summary" {
				summary = said.Message
			}
			if said.Type == "refresh_start" || said.Type == "planned_change" {
				a.s.Progress(said.Message)
			}
		})
		if err != nil {
			return "", err
		}
		if !exit.OK() {
			return "", a.broken("terraform plan", exit)
		}
		a.annotate(a.diagnostics)
		a.diagnostics = nil
		return summary, nil
	})
}

// variables hands `vars` over in a file, which takes any type, after the files of the repository, so that they win.
func (a *attempt) variables() ([]string, error) {
	args := make([]string, 0, len(a.varFiles)+1)
	for _, file := range a.varFiles {
		args = append(args, "-var-file="+file)
	}
	if len(a.settings.Vars) == 0 {
		return args, nil
	}
	text, err := json.Marshal(a.settings.Vars)
	if err != nil {
		return nil, fmt.Errorf("write the variables: %w", err)
	}
	const name = "slipway.tfvars.json"
	if err := writeNew(a.s.Scratch(), name, text); err != nil {
		return nil, err
	}
	return append(args, "-var-file="+filepath.Join(a.s.Scratch(), name)), nil
}

// show reads the plan back, tells what is in it, and keeps it.
func (a *attempt) show(ctx context.Context, file string) (pipeline.Verdict, error) {
	var verdict pipeline.Verdict
	err := a.s.Step(ctx, "Read the plan", func(ctx context.Context) (string, error) {
		plan, err := a.readPlan(ctx, file)
		if err != nil {
			return "", err
		}
		if err := a.conceal(plan); err != nil {
			return "", err
		}
		known, err := a.keep(ctx, file, plan)
		if err != nil {
			return "", err
		}
		if err := a.tell(ctx, file, plan); err != nil {
			return "", err
		}
		verdict = pipeline.Verdict{Status: pipeline.StatusSuccess, Title: a.title(plan)}
		if a.compares() {
			verdict = a.drift(plan)
		}
		return known.State.String(), nil
	})
	return verdict, err
}

func (a *attempt) title(plan report.Plan) string {
	switch {
	case a.destroys() && plan.Empty():
		return "Nothing to destroy"
	case a.destroys():
		return "Takes everything down: " + plan.Title()
	default:
		return plan.Title()
	}
}

// conceal masks every sensitive value in all that is told from now on. Terraform marks such values and hides them, but
// not where one went through an attribute that a provider computes.
func (a *attempt) conceal(plan report.Plan) error {
	for i, value := range plan.Sensitive.Values() {
		if err := a.s.Conceal(fmt.Sprintf("sensitive value %d of the plan", i+1), value); err != nil {
			return err
		}
	}
	return nil
}

// keep hands the plan to the second step, and fixes what people approve.
func (a *attempt) keep(ctx context.Context, file string, plan report.Plan) (facts, error) {
	content, err := readScratch(a.s.Scratch(), file)
	if err != nil {
		return facts{}, err
	}
	locks, err := readFile(a.s.Root(), a.inDir(lockFile), maxSource)
	if err != nil && !os.IsNotExist(err) {
		return facts{}, fmt.Errorf("read %s: %w", a.inDir(lockFile), err)
	}
	now, err := a.readState(ctx)
	if err != nil {
		return facts{}, err
	}
	task := a.s.Task()
	known := facts{
		Tool: a.tool.Name, Version: a.tool.Version.String(), Dir: a.settings.Dir, Backend: a.backend.String(), Workspace: a.backend.workspace,
		State: now, Commit: task.Trigger.SHA, Base: task.Trigger.BaseSHA, Stage: stageHash(task.Stage), Plan: hashBytes(content),
		Destroy: a.destroys(), Empty: plan.Empty() && len(plan.Drift) == 0,
		Drifted: plan.Empty() && len(plan.Drift) > 0, Lost: plan.Losses(), Counts: plan.Counts(),
	}
	// What makes it the same plan: not the file, whose bytes differ each time.
	known.Value = hashOf(known.Tool, known.Version, known.Dir, known.Backend, known.Workspace, known.State.Serial, known.State.Lineage,
		known.Destroy, hashBytes(locks), plan.Hash)
	if a.only() {
		return known, nil // nobody applies it, and what may hold secrets is not kept without need
	}
	text, err := json.Marshal(known)
	if err != nil {
		return facts{}, fmt.Errorf("write %s: %w", keptFacts, err)
	}
	kept := map[string][]byte{keptFacts: text, keptPlan: content}
	if len(locks) > 0 {
		kept[keptLockFile] = locks
	}
	for _, name := range sortedKeys(kept) {
		if err := a.s.KeepPrivate(name, kept[name]); err != nil {
			return facts{}, err
		}
	}
	a.s.Part(a.part(known, plan))
	return known, nil
}

// stageHash is of what a stage is to do.
func stageHash(spec pipeline.StageSpec) string {
	return hashOf(spec.Key, spec.With, spec.Env, spec.Matrix, spec.Image, spec.Environment)
}

func (a *attempt) part(known facts, plan report.Plan) pipeline.Part {
	part := pipeline.Part{Kind: pipeline.PartPlan, Name: a.s.Task().Stage.Key, Value: known.Value, Detail: known.Counts.String()}
	switch {
	case known.Empty:
		part.Detail = "no changes"
	case known.Drifted:
		part.Detail = plan.Title()
	}
	// Always: whether it needs nobody is for the gate to say, by the default branch's allow-destroy.
	part.ExtraApproval, part.Lost = plan.Danger(), plan.Losses()
	return part
}

// readScratch reads a file that Terraform wrote into the scratch folder.
func readScratch(scratch, file string) ([]byte, error) {
	root, err := os.OpenRoot(scratch)
	if err != nil {
		return nil, fmt.Errorf("read the saved plan: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading
	content, err := readFile(root, filepath.Base(file), maxSavedPlan)
	if err != nil {
		return nil, fail("The saved plan cannot be kept", "The saved plan cannot be kept for the apply: %v.", err)
	}
	return content, nil
}

// maxSavedPlan is what a second step can be handed.
const maxSavedPlan = 64 << 20

// unwanted is text in a section that a reader must not miss.
func (a *attempt) localRemark() {
	if a.backend.kind != backendLocal {
		return
	}
	why := "The configuration names no backend, so that its state"
	if a.config.backend == backendLocal {
		why = "The configuration keeps its state in a file, which would be gone with the checkout, so that it"
	}
	a.s.Section(pipeline.Section{
		Title: "Where the state is",
		Text: strings.Join([]string{
			why + " is kept in the cache of this one machine, unencrypted and without a copy.",
			"For anything that must not be lost, declare a backend: terraform { backend \"s3\" { bucket = …, key = …, region = …, use_lockfile = true } }.",
		}, "\n\n"),
	})
}
