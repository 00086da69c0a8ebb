package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// announcement is one entry with what GitHub shows of it.
type announcement struct {
	*Deployments

	run    pipeline.Run
	entry  pipeline.Entry
	mirror pipeline.DeploymentMirror
}

func (a *announcement) repo() pipeline.Repository { return a.run.Trigger.Repository }

// show brings the deployment to the state that the entry has.
func (a *announcement) show(ctx context.Context) error {
	if err := a.endEarlierTurns(ctx); err != nil {
		return err
	}
	state, err := a.store.EnvironmentState(ctx, a.repo().ID, a.entry.Environment)
	if err != nil {
		return fmt.Errorf("state of %s: %w", a.entry.Environment, err)
	}
	want := stepOf(a.run, a.entry, state)
	if a.mirror.GaveUp != "" || rank(want.state) <= rank(a.mirror.State) {
		return nil // the mirror may be behind what GitHub shows, never before it
	}
	if a.mirror.DeploymentID == 0 {
		if !want.worthCreating && !a.mirror.Creating {
			return nil // it ended before GitHub was told that it began
		}
		if err := a.create(ctx); err != nil {
			return a.failed(ctx, err)
		}
	}
	if err := a.learn(ctx, &a.mirror); err != nil {
		return a.failed(ctx, err)
	}
	if rank(want.state) <= rank(a.mirror.State) {
		return nil
	}
	if want.replaces {
		// First, so that it is done again should we be killed before the success is told.
		if err := a.retire(ctx, "Replaced by "+a.runName()); err != nil {
			return err
		}
	}
	return a.failed(ctx, a.tell(ctx, &a.mirror, a.status(want)))
}

// failed gives up where GitHub refuses for good: whatever it shows, the run goes on.
func (a *announcement) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	reason, refused := refusedForGood(err)
	if !refused {
		return err
	}
	a.log.Error().Err(err).Str("do", reason).Int64("run", a.run.ID).Str("environment", a.entry.Environment).
		Msg("GitHub refuses a deployment for good; it is not shown there any more")
	a.mirror.GaveUp, a.mirror.Creating = reason, false
	return a.save(ctx, a.mirror)
}

func (a *announcement) save(ctx context.Context, m pipeline.DeploymentMirror) error {
	err := a.store.SaveDeploymentMirror(ctx, m)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // swept meanwhile
	}
	if err != nil {
		return fmt.Errorf("record the deployment of run %d: %w", m.RunID, err)
	}
	return nil
}

// create makes the deployment, or finds the one that was made without its answer being recorded.
func (a *announcement) create(ctx context.Context) error {
	d, payload := a.newDeployment()
	if a.mirror.Creating {
		id, err := a.github.FindDeployment(ctx, a.repo(), d.SHA, d.Environment, payload.is)
		if err != nil {
			return err
		}
		if id != 0 {
			a.mirror.DeploymentID, a.mirror.Creating = id, false
			a.note(a.mirror, false)
			return a.save(ctx, a.mirror)
		}
	}
	a.mirror.Creating = true
	if err := a.save(ctx, a.mirror); err != nil {
		return err
	}
	id, err := a.github.CreateDeployment(ctx, a.repo(), d)
	if err != nil {
		if !ambiguous(err) {
			a.mirror.Creating = false
			err = errors.Join(err, a.save(ctx, a.mirror))
		}
		return err
	}
	a.mirror.DeploymentID, a.mirror.Creating, a.mirror.State = id, false, ""
	a.note(a.mirror, true)
	return a.save(ctx, a.mirror)
}

// learn asks GitHub how far a deployment is where an earlier process, or a lost answer, leaves that open.
func (a *announcement) learn(ctx context.Context, m *pipeline.DeploymentMirror) error {
	if a.isKnown(*m) || rank(m.State) >= rank(stateInactive) {
		return nil
	}
	shown, err := a.github.DeploymentState(ctx, a.repo(), m.DeploymentID)
	if err != nil {
		return err
	}
	before := m.State
	if rank(shown) > rank(m.State) {
		m.State = shown
	}
	a.note(*m, true)
	if m.State == before {
		return nil
	}
	return a.save(ctx, *m)
}

// tell writes one status, once.
func (a *announcement) tell(ctx context.Context, m *pipeline.DeploymentMirror, s githubclient.DeploymentStatus) error {
	if err := a.github.AddDeploymentStatus(ctx, a.repo(), m.DeploymentID, s); err != nil {
		if ambiguous(err) {
			a.note(*m, false)
		}
		return err
	}
	m.State = s.State
	a.note(*m, true)
	return a.save(ctx, *m)
}

// retire makes inactive what the environment ran so far, production too.
func (a *announcement) retire(ctx context.Context, why string) error {
	for {
		last, err := a.store.LastDeployment(ctx, a.repo().ID, a.entry.Environment)
		if err != nil {
			return fmt.Errorf("what %s ran before: %w", a.entry.Environment, err)
		}
		if last.DeploymentID == 0 || keyOf(last) == keyOf(a.mirror) {
			return nil
		}
		if err := a.end(ctx, last, why); err != nil {
			return err
		}
	}
}

// end makes another deployment inactive.
func (a *announcement) end(ctx context.Context, m pipeline.DeploymentMirror, why string) error {
	err := a.learn(ctx, &m)
	if err == nil && rank(m.State) < rank(stateInactive) {
		s := githubclient.DeploymentStatus{State: stateInactive, Description: short(why)}
		if run, found := a.runOf(ctx, m.RunID); found {
			s.LogURL = a.page(run)
		}
		err = a.tell(ctx, &m, s)
	}
	if err == nil {
		return nil
	}
	reason, refused := refusedForGood(err)
	if !refused {
		return err
	}
	a.log.Error().Err(err).Str("do", reason).Int64("run", m.RunID).Str("environment", m.Environment).
		Msg("GitHub refuses for good to make a deployment inactive; it stays as it is there")
	m.State, m.GaveUp = stateInactive, reason // or it would be in the way of every later one
	return a.save(ctx, m)
}

func (a *announcement) runOf(ctx context.Context, id int64) (pipeline.Run, bool) {
	if id == a.run.ID {
		return a.run, true
	}
	run, err := a.store.Run(ctx, id)
	return run, err == nil // without its run, an old deployment is ended without a link
}

// endEarlierTurns ends what an earlier try of the same entry left open on GitHub: the try's end was never told.
func (a *announcement) endEarlierTurns(ctx context.Context) error {
	for turn := range a.entry.Turn {
		m, err := a.store.DeploymentMirror(ctx, a.run.ID, a.entry.Environment, turn)
		if err != nil {
			return fmt.Errorf("earlier deployment of run %d: %w", a.run.ID, err)
		}
		if m.DeploymentID == 0 || m.GaveUp != "" || rank(m.State) >= rank(stateFailure) {
			continue
		}
		if err := a.end(ctx, m, "It ended, and was tried again"); err != nil {
			return err
		}
	}
	return nil
}

// payload tells a deployment of ours from every other. The time tells those of a database that began anew.
type payload struct {
	Run         int64     `json:"run"`
	RunID       int64     `json:"run_id"`
	Environment string    `json:"environment"`
	Turn        int       `json:"turn"`
	Action      string    `json:"action"`
	CreatedAt   time.Time `json:"run_created_at"`
}

func (p payload) is(other json.RawMessage) bool {
	var q payload
	if json.Unmarshal(other, &q) != nil || !p.CreatedAt.Equal(q.CreatedAt) {
		return false
	}
	q.CreatedAt = p.CreatedAt
	return p == q
}

func (a *announcement) newDeployment() (githubclient.NewDeployment, payload) {
	p := payload{
		Run: a.run.Number, RunID: a.run.ID, Environment: a.entry.Environment, Turn: a.entry.Turn, Action: string(a.entry.Action),
		CreatedAt: a.run.CreatedAt.UTC().Truncate(time.Second),
	}
	return githubclient.NewDeployment{
		SHA: a.run.Trigger.SHA, Environment: a.entry.Environment, Task: string(a.entry.Action), Description: short(a.description()),
		Production: isProduction(a.entry.Environment), Payload: p,
	}, p
}

func (a *announcement) description() string {
	what := "Deploy of " + display.ShortSHA(a.run.Trigger.SHA)
	switch {
	case a.entry.Action == pipeline.ActionRollback && a.run.Restores != nil:
		what = fmt.Sprintf("Rollback to release %d", a.run.Restores.Number)
	case a.entry.Action == pipeline.ActionRollback:
		what = "Rollback"
	case a.entry.Action == pipeline.ActionDestroy:
		what = "Destroy " + a.entry.Environment
	default:
	}
	who := ", asked for by " + a.run.Trigger.Actor
	if a.entry.Automatic {
		who = ", pushed by " + a.run.Trigger.Actor
	}
	return what + " (" + a.runName() + ")" + who
}

func (a *announcement) runName() string { return fmt.Sprintf("run #%d", a.run.Number) }

func (a *announcement) status(s step) githubclient.DeploymentStatus {
	status := githubclient.DeploymentStatus{State: s.state, Description: short(s.says), LogURL: a.page(a.run)}
	if env := a.run.Environment(a.entry.Environment); env != nil {
		if address, ok := foreignAddress(env.URL); ok {
			status.EnvironmentURL = address
		}
	}
	return status
}

// page is the run's, at the stage that tells most of the entry.
func (a *announcement) page(run pipeline.Run) string {
	p := page{base: a.pageURL, run: run}
	for _, s := range run.Current() {
		if !s.Spec.Enters || s.Spec.Environment != a.entry.Environment {
			continue
		}
		if p.stage.Spec.Key == "" || display.Failed(s.Status) && !display.Failed(p.stage.Status) || s.Release > 0 {
			p.stage = s
		}
	}
	if p.stage.Spec.Key == "" {
		return p.runURL(run.Number)
	}
	return p.stageURL()
}
