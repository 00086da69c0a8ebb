package terraform

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// moved says that what would be applied is no longer what was approved. The gate lets nothing else in its place.
func moved(format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	return &failure{pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: "The plan moved: " + why, Void: why,
		Cause: "The saved plan is not applied, because " + why + ". A new plan is made, and decided on anew.",
	}}
}

// apply carries out the plan that the first step kept, and nothing else.
func (a *attempt) apply(ctx context.Context) (pipeline.Verdict, error) {
	known, err := a.recall()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.setUp(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.compareTool(ctx, known); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.checkAccess(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.restoreLockFile(); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.initialise(ctx, "-lockfile=readonly"); err != nil {
		return pipeline.Verdict{}, err
	}
	file := filepath.Join(a.s.Scratch(), keptPlan)
	if err := a.compare(ctx, known, file); err != nil {
		return pipeline.Verdict{}, err
	}
	if known.Empty {
		return a.finish(ctx, known, &progress{}, "Nothing to apply: the plan has no changes")
	}
	return a.carryOut(ctx, known, file)
}

// recall finds what the first step kept, and holds it against what was approved.
func (a *attempt) recall() (facts, error) {
	task := a.s.Task()
	text, found := a.s.File(keptFacts)
	plan, alsoFound := a.s.File(keptPlan)
	if !found || !alsoFound {
		return facts{}, fail("There is no saved plan", "The step before kept no plan, so there is nothing that could be applied. Retry the stage.")
	}
	var known facts
	if err := json.Unmarshal(text, &known); err != nil {
		return facts{}, fmt.Errorf("read %s: %w", keptFacts, err)
	}
	approved := ""
	for _, part := range task.Parts {
		if part.Kind == pipeline.PartPlan && part.Name == task.Stage.Key {
			approved = part.Value
		}
	}
	switch {
	case approved == "" || approved != known.Value:
		return known, moved("it is not the one that was decided on (%.12s, not %.12s)", known.Value, approved)
	case known.Plan != hashBytes(plan):
		return known, moved("its file is not the one that was kept")
	case known.Commit != task.Trigger.SHA:
		return known, moved("it was made for commit %.12s, and this is %.12s", known.Commit, task.Trigger.SHA)
	case known.Base != task.Trigger.BaseSHA:
		return known, moved("it was made for base %.12s, and this is %.12s", known.Base, task.Trigger.BaseSHA)
	case known.Stage != stageHash(task.Stage) || known.Dir != a.settings.Dir:
		return known, moved("the definition of the stage is another one")
	case known.Destroy != a.destroys():
		return known, moved("what is asked for is something else")
	}
	return known, nil
}

// compareTool: a saved plan is for exactly the version that made it.
func (a *attempt) compareTool(_ context.Context, known facts) error {
	if a.tool.Name == known.Tool && a.tool.Version.String() == known.Version {
		return nil
	}
	return moved("it was made by %s %s, and this machine now has %s", known.Tool, known.Version, a.tool)
}

// restoreLockFile puts the plan's lock file of providers in place, so that init can choose no others.
func (a *attempt) restoreLockFile() error {
	content, found := a.s.File(keptLockFile)
	if !found {
		return nil
	}
	root := a.s.Root()
	if err := root.RemoveAll(a.inDir(lockFile)); err != nil {
		return fmt.Errorf("write %s: %w", a.inDir(lockFile), err)
	}
	if err := root.WriteFile(a.inDir(lockFile), content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", a.inDir(lockFile), err)
	}
	return nil
}

// compare holds the state against the one that was planned upon, and masks what the plan marks as sensitive.
func (a *attempt) compare(ctx context.Context, known facts, file string) error {
	return a.s.Step(ctx, "Compare with the state", func(ctx context.Context) (string, error) {
		if a.backend.String() != known.Backend || a.backend.workspace != known.Workspace {
			return "", moved("it was made for the state in %s, and this is %s", known.Backend, a.backend)
		}
		now, err := a.readState(ctx)
		if err != nil {
			return "", err
		}
		if !now.same(known.State) {
			return "", moved("the state changed since it was made: it was %s, and is %s", known.State.short(), now.short())
		}
		plan, _ := a.s.File(keptPlan) // recall found it
		if err := writeNew(a.s.Scratch(), keptPlan, plan); err != nil {
			return "", err
		}
		read, err := a.readPlan(ctx, file)
		if err != nil {
			return "", err
		}
		return now.String(), a.conceal(read)
	})
}

// short is "at serial 7".
func (s state) short() string {
	if s.Lineage == "" {
		return "empty"
	}
	return fmt.Sprintf("at serial %d of %.8s", s.Serial, s.Lineage)
}

// carryOut applies the file. When it is stopped, it interrupts Terraform once and waits: the command's own grace is long.
func (a *attempt) carryOut(ctx context.Context, known facts, file string) (pipeline.Verdict, error) {
	p := &progress{}
	var exit runner.Exit
	err := a.s.Step(ctx, "Apply", func(ctx context.Context) (string, error) {
		var err error
		exit, err = a.stream(ctx, []string{
			"apply", "-json", "-input=false", "-no-color", "-lock-timeout=" + a.options.LockTimeout.String(), file,
		}, func(said event) {
			if p.take(said) {
				a.s.Progress(p.line())
			}
		})
		if err == nil && !exit.OK() {
			err = errApply
		}
		return p.done(), err
	})
	switch {
	case ctx.Err() != nil:
		return a.interrupted(ctx, known, p, exit)
	case err == nil:
		return a.finish(ctx, known, p, known.applied(p.done()))
	case err != errApply: //nolint:errorlint // it is passed on as it is
		return pipeline.Verdict{}, err
	default:
		return pipeline.Verdict{}, a.applyFailed(ctx, p, exit)
	}
}

// applied is the title of a plan that was carried out: what was lost is named to the end.
func (f facts) applied(done string) string {
	if f.Drifted {
		return "Nothing to change; what was changed outside is in the state now"
	}
	title := "Applied: " + done
	if f.Lost != "" {
		title += "; destroyed " + f.Lost
	}
	return title
}

// finish tells what became of it, and hands on the outputs.
func (a *attempt) finish(ctx context.Context, known facts, p *progress, title string) (pipeline.Verdict, error) {
	var verdict pipeline.Verdict
	err := a.s.Step(ctx, "Read the outputs", func(ctx context.Context) (string, error) {
		now, err := a.readState(ctx)
		if err != nil {
			return "", err
		}
		a.s.Section(p.section("Applied", fmt.Sprintf("The state in %s was %s and is %s.", a.backend, known.State.short(), now.short())))
		if known.Destroy {
			return now.String(), nil
		}
		all, err := a.readOutputs(ctx)
		if err != nil {
			return "", err
		}
		return report.Count(len(all.values), "output"), a.tellApplied(all)
	})
	if err == nil {
		a.annotate(a.diagnostics)
		verdict = pipeline.Verdict{Status: pipeline.StatusSuccess, Title: title}
	}
	return verdict, err
}

// applyFailed says what was done, what was not, and how the state is left.
func (a *attempt) applyFailed(ctx context.Context, p *progress, exit runner.Exit) error {
	for _, d := range errorsOf(a.diagnostics) {
		if strings.Contains(d.Summary, "Saved plan is stale") || strings.Contains(d.Summary, "Saved plan does not match the given state") {
			return moved("the state changed since it was made, and %s refused it as stale", a.tool.Name)
		}
	}
	err := a.broken("terraform apply", exit)
	left := a.left(ctx)
	a.s.Section(p.section("How far it came", left))
	if f, ok := err.(*failure); ok { //nolint:errorlint // made by broken
		f.verdict.Cause += " " + sentence(p.summary()+" "+left)
	}
	return err
}
