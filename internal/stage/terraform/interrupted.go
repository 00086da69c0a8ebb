package terraform

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

const (
	// lookFor bounds the look at state and lock after an end that was not planned.
	lookFor = time.Minute
	// lookLeast is what is left for it when Terraform has used up its grace: the runner waits no longer than that.
	lookLeast = 7 * time.Second
)

// interrupted tells how Terraform ended after it had been asked to, once. The runner makes the verdict; the cause goes
// behind its own.
func (a *attempt) interrupted(ctx context.Context, known facts, p *progress, exit runner.Exit) (pipeline.Verdict, error) {
	how := fmt.Sprintf("%s was interrupted once and ended by itself.", a.tool.Name)
	if exit.Signal == "killed" {
		how = fmt.Sprintf("%s was interrupted, did not end within %s, and was killed.", a.tool.Name, a.s.Task().Grace)
	}
	left := a.left(ctx)
	a.annotate(a.diagnostics)
	a.s.Section(p.section("How far it came", how+"\n\n"+left))
	a.s.Log(how + " " + p.summary() + " " + left)
	if exit.OK() {
		// It had nothing left to stop: all was done.
		detached, cancel := a.detached(ctx)
		defer cancel()
		return a.finish(detached, known, p, known.applied(p.done()))
	}
	return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "Interrupted", Cause: how + " " + p.summary() + " " + left}, nil
}

// planInterrupted tells how a plan that was stopped left the lock it held. The runner makes the verdict, as with an apply.
func (a *attempt) planInterrupted(ctx context.Context) pipeline.Verdict {
	ctx, cancel := a.detached(ctx)
	defer cancel()
	text := a.tool.Name + " was stopped while it made the plan. Nothing was changed. The state in " + a.backend.String() +
		" was looked at. " + a.lockInWords(ctx)
	a.s.Log(text)
	return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "Interrupted", Cause: text}
}

// detached outlives the stage's own context for as long as the runner still waits.
func (a *attempt) detached(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := lookFor
	if at := a.stopped.Load(); at > 0 {
		used := a.options.Now().Sub(time.Unix(0, at))
		limit = min(limit, max(a.s.Task().Grace-used, 0)+lookLeast)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// left says in which state an apply that failed or was stopped left the state and its lock.
func (a *attempt) left(ctx context.Context) string {
	rescued := a.rescue(ctx)
	ctx, cancel := a.detached(ctx)
	defer cancel()
	text := strings.TrimSpace(rescued + " The state in " + a.backend.String())
	if now, err := a.readState(ctx); err != nil {
		text = sentence(text + " could not be read: " + oneLine(err.Error()))
	} else {
		text += " is at " + now.String() + "."
	}
	return text + " " + a.lockInWords(ctx)
}
