package chatops

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Button is what somebody can press on a check or on a page.
type Button string

// The buttons.
const (
	ButtonRetry    Button = "retry"
	ButtonApprove  Button = "approve"
	ButtonReject   Button = "reject"
	ButtonRollback Button = "rollback"
)

// Press is a button that somebody pressed at a stage attempt. Every press is authorised like the comment.
type Press struct {
	Repository pipeline.Repository
	StageRunID int64
	Button     Button
	By         string
	// Via is button or page; Cause names the press, so that it counts once.
	Via, Cause string
	// Reason goes with a rejection. Hostile text.
	Reason string
	// Candidate, where set, is the fingerprint of what was looked at, or its beginning: nothing else is approved.
	Candidate string
}

// Press carries out what a button says. A refusal is what to tell whoever pressed it; it is also shown at the check.
func (d *Desk) Press(ctx context.Context, p Press) (*Refusal, error) {
	run, err := d.runs.RunOfStage(ctx, p.StageRunID)
	if errors.Is(err, pipeline.ErrNotFound) || err == nil && run.Trigger.Repository.ID != p.Repository.ID {
		zerolog.Ctx(ctx).Warn().Int64("attempt", p.StageRunID).Msg("a button of a stage that is no longer kept")
		return &Refusal{Why: "The stage is no longer kept.", Do: "Push again to have another run."}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("run of stage attempt %d: %w", p.StageRunID, err)
	}
	at := pressed{
		Press: p, run: run, stage: *run.Stage(p.StageRunID), word: environment.Word{By: p.By, Via: p.Via, Cause: p.Cause},
		facts: facts{repository: p.Repository, number: run.Trigger.PullRequest, asker: asker{name: p.By}},
	}
	at.facts.word = at.word
	no, err := d.press(ctx, &at)
	if err != nil {
		return nil, err
	}
	return no, d.pressedRecord(ctx, at, no)
}

// pressed is a press with what it is about.
type pressed struct {
	Press

	run   pipeline.Run
	stage pipeline.StageRun
	word  environment.Word
	facts facts
	order order
}

func (d *Desk) press(ctx context.Context, at *pressed) (*Refusal, error) {
	switch at.Button {
	case ButtonRetry:
		return d.pressRetry(ctx, at)
	case ButtonApprove:
		return d.pressApprove(ctx, at)
	case ButtonReject:
		return d.pressReject(ctx, at)
	case ButtonRollback:
		return d.pressRollback(ctx, at)
	default:
		return &Refusal{Why: fmt.Sprintf("There is no button %s.", code(string(at.Button)))}, nil
	}
}

func (d *Desk) pressRetry(ctx context.Context, at *pressed) (*Refusal, error) {
	permission, err := d.github.Permission(ctx, at.Repository, at.By)
	if err != nil {
		return nil, fmt.Errorf("permission of %s: %w", at.By, err)
	}
	at.facts.asker.permission = permission
	if no := authorise(Command{Who: Write}, at.facts.asker, at.Repository.FullName()); no != nil {
		return no, nil
	}
	at.facts.runs = []pipeline.Run{at.run}
	if _, err := gatherDeployers(ctx, d, &at.facts, ""); err != nil {
		return nil, err
	}
	if no := at.facts.retryRefusal([]int64{at.StageRunID}); no != nil {
		return no, nil
	}
	_, err = d.service.Rerun(ctx, at.Repository.ID, at.StageRunID, at.By)
	if errors.Is(err, pipeline.ErrNotFound) || errors.Is(err, pipeline.ErrNotWanted) {
		return &Refusal{Why: "There is nothing to run again any more.", Do: "Push again to have another run."}, nil
	}
	if errors.Is(err, pipeline.ErrUnderWay) {
		return &Refusal{Why: underWay, Do: "Press it again when the run has left the environment."}, nil
	}
	return nil, err
}

func (d *Desk) pressApprove(ctx context.Context, at *pressed) (*Refusal, error) {
	ballot, no, err := d.ballotOf(ctx, at)
	if no != nil || err != nil {
		return no, err
	}
	if ballot.No != nil {
		return refusalOf(*ballot.No), nil
	}
	if !strings.HasPrefix(ballot.Fingerprint, at.Candidate) {
		return &Refusal{Why: "What waits is not what was shown any more.", Do: "Look at it again."}, nil
	}
	at.order.Candidate = ballot.Fingerprint
	err = d.gate.Approve(ctx, at.run.ID, at.stage.Spec.Environment, ballot.Fingerprint, at.word)
	if errors.Is(err, environment.ErrMoved) {
		return &Refusal{Why: "What waits moved in this moment.", Do: "Look at it, and press again."}, nil
	}
	return nil, err
}

func (d *Desk) pressReject(ctx context.Context, at *pressed) (*Refusal, error) {
	ballot, no, err := d.ballotOf(ctx, at)
	if no != nil || err != nil {
		return no, err
	}
	if !ballot.MayReject {
		return &Refusal{
			Why: fmt.Sprintf("%s may not reject what enters %s.", code(at.By), code(at.stage.Spec.Environment)), Do: "Whoever may approve it can.",
		}, nil
	}
	err = d.gate.Reject(ctx, at.run.ID, at.stage.Spec.Environment, at.Reason, at.word)
	if errors.Is(err, environment.ErrMoved) {
		return &Refusal{Why: "It does not wait any more: it has entered, or ended, in this moment."}, nil
	}
	return nil, err
}

func (d *Desk) ballotOf(ctx context.Context, at *pressed) (environment.Ballot, *Refusal, error) {
	name := at.stage.Spec.Environment
	entry := at.run.Entry(name)
	if entry == nil || entry.State != pipeline.EntryWaiting || at.stage.Superseded {
		return environment.Ballot{}, &Refusal{Why: fmt.Sprintf("Run #%d does not wait for anybody any more.", at.run.Number)}, nil
	}
	ballot, err := d.gate.Ballot(ctx, at.run, name, at.By)
	return ballot, nil, err
}

// pressRollback undoes the deploy at whose check the button stands, as long as it is the current one.
func (d *Desk) pressRollback(ctx context.Context, at *pressed) (*Refusal, error) {
	f := &at.facts
	if no, err := d.gatherPlace(ctx, f, at.stage.Spec.Environment); no != nil || err != nil {
		return no, err
	}
	if no := f.notDeployer(); no != nil {
		return no, nil
	}
	name := f.env.rules.Name
	if at.stage.Release == 0 || at.stage.Release != f.env.state.Release {
		return &Refusal{
			Why: fmt.Sprintf("%s runs release %d now, and this check is of another one.", code(name), f.env.state.Release),
			Do:  "Press the button at the check of the current release, or say " + code("/rollback "+name+" --to RELEASE") + ".",
		}, nil
	}
	no, err := d.prepareRollback(ctx, f, "", false)
	if no != nil || err != nil {
		return no, err
	}
	o, no := decideDeploy(*f, "")
	if no != nil {
		return no, nil
	}
	at.order = o
	_, err = submitDeploy(ctx, d, *f, o)
	if nothing, ok := errors.AsType[*nothingToDoError](err); ok {
		return &Refusal{Why: nothing.said}, nil
	}
	return nil, err
}

// pressedRecord records a press, and shows a refused one at what it was pressed for: GitHub tells nobody that a button did
// nothing.
func (d *Desk) pressedRecord(ctx context.Context, at pressed, no *Refusal) error {
	why := ""
	if no != nil {
		why = no.Why
	}
	zerolog.Ctx(ctx).Info().Str("user", at.By).Str("button", string(at.Button)).Int64("run", at.run.Number).
		Str("repository", at.Repository.FullName()).Str("stage", at.stage.Spec.Key).Str("via", at.Via).Str("why", why).
		Bool("allowed", no == nil).Msg("button pressed")
	if at.order.Environment == "" {
		at.order.Environment = at.stage.Spec.Environment
	}
	if at.order.Trigger == nil {
		t := at.run.Trigger
		t.Deploy = &pipeline.Deploy{}
		at.order.Trigger = &t
	}
	if err := d.audit(ctx, at.facts, string(at.Button), at.order, no); err != nil {
		return err
	}
	if no == nil || at.stage.Spec.Environment == "" {
		return nil
	}
	return d.gate.Refused(ctx, at.run, at.stage.Spec.Environment, string(at.Button), no.Why, at.word)
}
