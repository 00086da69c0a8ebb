package checks

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// outcome is how a task went. What is set is true now, whether or not there is an error.
type outcome struct {
	mirror   pipeline.Mirror
	shown    uint64
	asked    bool
	unsure   bool
	unsaved  bool
	findings int // annotations the attempt really makes
	how      detail
	// wrote: GitHub took a request.
	wrote bool
	err   error
}

// perform does the next thing that a task needs.
func (r *Reporter) perform(ctx context.Context, t *task) outcome {
	r.mu.Lock()
	now, run, state := *t, t.run.latest, t.run
	r.mu.Unlock()
	o := now.outcome()
	if o.unsaved && !now.writes() {
		r.save(ctx, &o, false)
		return o
	}
	if run == nil {
		read, err := r.store.Run(ctx, state.id)
		if err != nil {
			o.err = fmt.Errorf("read run %d: %w", state.id, err)
			return o
		}
		run = &read
	}
	stage, ok := find(*run, now.stageID)
	if !ok {
		o.err = fmt.Errorf("run %d has no stage attempt %d", state.id, now.stageID)
		return o
	}
	client, err := r.github.Client(state.installation)
	if err != nil {
		o.err = err
		return o
	}
	j := job{
		reporter: r, state: state, stage: stage, o: &o,
		wire:  wire{client: client, repository: run.Trigger.Repository, appID: r.appID},
		check: Render(*run, stage, RenderOptions{PageURL: r.pageURL, Now: r.clock.Now()}),
	}
	j.run(ctx)
	return o
}

// outcome is what is true before anything is done.
func (t *task) outcome() outcome {
	return outcome{
		mirror: t.mirror, shown: t.shown, asked: t.asked, unsure: t.unsure, unsaved: t.unsaved, findings: t.findings, how: t.how,
	}
}

// writes reports whether a task has something for GitHub, not only for the store.
func (t *task) writes() bool {
	saved := *t
	saved.unsaved = false
	_, needs := saved.need()
	return needs
}

func find(run pipeline.Run, stageID int64) (pipeline.StageRun, bool) {
	for _, s := range run.Stages {
		if s.ID == stageID {
			return s, true
		}
	}
	return pipeline.StageRun{}, false
}

// job is one task with all it takes.
type job struct {
	reporter *Reporter
	state    *runState
	wire     wire
	check    Check
	stage    pipeline.StageRun
	o        *outcome
}

func (j job) run(ctx context.Context) {
	j.o.findings = len(j.check.Annotations)
	if j.o.mirror.CheckRunID == 0 && !j.o.asked {
		if err := j.ask(ctx); err != nil {
			j.o.err = err
			return
		}
	}
	if j.o.mirror.CheckRunID == 0 {
		j.create(ctx)
		return
	}
	if j.o.unsure {
		answer, err := j.wire.get(ctx, j.o.mirror.CheckRunID)
		if err != nil {
			j.o.err = err
			return
		}
		j.o.mirror.Annotations, j.o.unsure = answer.Output.AnnotationsCount, false
	}
	j.update(ctx)
}

// ask looks whether a check was made whose making was not recorded.
func (j job) ask(ctx context.Context) error {
	found, err := j.wire.list(ctx, j.check.HeadSHA)
	if err != nil {
		return err
	}
	if c, ok := found[j.check.ExternalID]; ok {
		j.o.mirror.CheckRunID, j.o.mirror.Annotations = c.ID, c.Output.AnnotationsCount
	}
	j.o.asked = true
	j.reporter.answered(j.state, found)
	return nil
}

// answered spares the other checks of the run the same question.
func (r *Reporter) answered(state *runState, found map[string]written) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, t := range state.stages {
		if t.busy || t.asked || t.mirror.CheckRunID != 0 {
			continue
		}
		t.asked = true
		if c, ok := found[ExternalID(id)]; ok {
			t.mirror.CheckRunID, t.mirror.Annotations = c.ID, c.Output.AnnotationsCount
		}
	}
}

func (j job) create(ctx context.Context) {
	body := newRequest(j.check, 0, j.o.how)
	body.HeadSHA = j.check.HeadSHA
	if len(body.Actions) == 0 {
		body.Actions = nil
	}
	answer, err := j.wire.create(ctx, body)
	if err != nil {
		if ambiguous(err) {
			// It may exist: whoever comes next, this process or another one, asks first.
			j.o.mirror.Creating, j.o.asked = true, false
			j.reporter.save(ctx, j.o, false)
		}
		j.o.err = err
		return
	}
	j.o.mirror.CheckRunID, j.o.mirror.Creating = answer.ID, false
	j.took(ctx, body, len(body.Output.Annotations), true)
}

func (j job) update(ctx context.Context) {
	body := newRequest(j.check, j.o.mirror.Annotations, j.o.how)
	shown, err := body.fingerprint()
	if err != nil {
		j.o.err = err
		return
	}
	if shown == j.o.shown && len(body.Output.Annotations) == 0 {
		j.o.mirror.Version = j.stage.Version
		if j.stage.Status.Final() {
			j.reporter.save(ctx, j.o, false)
		}
		return
	}
	if err := j.wire.update(ctx, j.o.mirror.CheckRunID, body); err != nil {
		j.o.unsure = ambiguous(err) && len(body.Output.Annotations) > 0
		j.o.err = err
		return
	}
	// Progress is not worth a record: after a restart it is written once more.
	j.took(ctx, body, j.o.mirror.Annotations+len(body.Output.Annotations), concludes(j.stage.Status))
}

func (j job) took(ctx context.Context, body request, annotations int, record bool) {
	j.o.wrote = true
	j.o.mirror.Version, j.o.mirror.Annotations = j.stage.Version, annotations
	shown, err := body.fingerprint()
	if err == nil {
		j.o.shown = shown
	}
	if record {
		j.reporter.save(ctx, j.o, j.o.how == detailFull && annotations < len(j.check.Annotations))
	}
}

// save records the mirror; what cannot be saved now is saved later. While annotations are missing an older version is
// recorded, so that a next process finds that something is left.
func (r *Reporter) save(ctx context.Context, o *outcome, incomplete bool) {
	m := o.mirror
	if incomplete {
		m.Version--
	}
	err := r.store.SaveMirror(ctx, m)
	o.unsaved = err != nil
	if err != nil && o.err == nil {
		o.err = fmt.Errorf("record what GitHub shows of stage attempt %d: %w", o.mirror.StageRunID, err)
	}
}
