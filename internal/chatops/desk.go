package chatops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Options are the parts of a Desk; all are needed.
type Options struct {
	GitHub  GitHub
	Runs    Runs
	Service Service
	// Gate, Environments and Ledger are what commands about environments need.
	Gate         Gate
	Environments Environments
	Ledger       Ledger
	Memory       Memory
	// PageURL is how people reach the dashboard.
	PageURL string
	Clock   pipeline.Clock
}

// Desk takes comments, carries out what they ask for and answers. It is safe for concurrent use.
type Desk struct {
	github  GitHub
	runs    Runs
	service Service

	gate         Gate
	environments Environments
	ledger       Ledger

	memory  Memory
	pageURL string
	clock   pipeline.Clock
	// taking makes one of two deliveries of a comment that come at once.
	taking singleflight.Group
}

// NewDesk makes a Desk.
func NewDesk(o Options) *Desk {
	return &Desk{
		github: o.GitHub, runs: o.Runs, service: o.Service, gate: o.Gate, environments: o.Environments, ledger: o.Ledger,
		memory: o.Memory, pageURL: strings.TrimRight(o.PageURL, "/"), clock: o.Clock,
	}
}

// maxCommands bounds what one comment can ask for.
const maxCommands = 10

// Take carries out the commands of a comment. An error means that it is to be called again: what was done is not done twice.
func (d *Desk) Take(ctx context.Context, c Comment) error {
	asked := ours(Parse(c.Body))
	if len(asked) == 0 {
		return nil
	}
	_, err, _ := d.taking.Do(c.key(), func() (any, error) { return nil, d.take(ctx, c, asked) })
	return err
}

// ours are the commands that are meant for us, or nearly, each once.
func ours(all []Invocation) []Invocation {
	var asked []Invocation
	for _, i := range all {
		_, known := find(i.Name)
		if !known {
			_, known = nearest(i.Name)
		}
		if known && !slices.Contains(asked, i) && len(asked) <= maxCommands {
			asked = append(asked, i)
		}
	}
	return asked
}

func (d *Desk) take(ctx context.Context, c Comment, asked []Invocation) error {
	r, err := d.recall(ctx, c)
	if err != nil || r.Done {
		return err
	}
	f, err := d.gather(ctx, c, r)
	if errors.Is(err, pipeline.ErrNotFound) {
		zerolog.Ctx(ctx).Info().Err(err).Int64("comment", c.ID).Msg("the commands of a comment come to nothing: its pull request is gone")
		return nil
	}
	if err != nil {
		return err
	}
	r.Steps = append(r.Steps, make([]step, len(asked)-min(len(asked), len(r.Steps)))...)
	for i := range asked {
		if err := d.command(ctx, c, r, &r.Steps[i], f, asked[i], i); err != nil {
			return err
		}
	}
	if err := d.answer(ctx, c, r, asked); err != nil {
		return err
	}
	r.Done = true
	return d.keep(ctx, c, r)
}

// gather reads the pull request, pins its commit, and asks what the author may do now.
func (d *Desk) gather(ctx context.Context, c Comment, r *record) (facts, error) {
	f := facts{repository: c.Repository, number: c.PullRequest, asker: asker{name: c.Author}, comment: c}
	var err error
	if f.pull, err = d.github.Pull(ctx, c.Repository, c.PullRequest); err != nil {
		return f, err
	}
	if r.Head == "" {
		r.Head = f.pull.Head
		if err := d.keep(ctx, c, r); err != nil {
			return f, err
		}
	}
	f.pull.Head = r.Head
	f.asker.permission, err = d.github.Permission(ctx, c.Repository, c.Author)
	if err != nil {
		if ctx.Err() != nil {
			return f, context.Cause(ctx)
		}
		zerolog.Ctx(ctx).Warn().Err(err).Str("user", c.Author).Msg("what the author of a comment may do is unknown: the commands are refused")
		f.asker.unknown = true
	}
	return f, nil
}

// look reads the runs as they are before a command: one before it may have changed them.
func (d *Desk) look(ctx context.Context, f *facts) error {
	filter := pipeline.RunFilter{RepositoryID: f.repository.ID, PullRequest: f.number, SHA: f.pull.Head}
	if f.merged() {
		filter = pipeline.RunFilter{RepositoryID: f.repository.ID, SHA: f.pull.Merge}
	}
	atCommit, err := d.runs.Runs(ctx, filter)
	if err != nil {
		return fmt.Errorf("runs of pull request #%d: %w", f.number, err)
	}
	filter = pipeline.RunFilter{RepositoryID: f.repository.ID, PullRequest: f.number, OpenOnly: true}
	open, err := d.runs.Runs(ctx, filter)
	if err != nil {
		return fmt.Errorf("open runs of pull request #%d: %w", f.number, err)
	}
	f.runs, f.open = slices.DeleteFunc(atCommit, f.unrelated), slices.DeleteFunc(open, f.unrelated)
	return nil
}

// merged reports whether the pull request's commit is that of its merge.
func (f facts) merged() bool { return f.pull.Merged && f.pull.Merge != "" }

// commit is the pull request's: its head, or what it was merged as.
func (f facts) commit() string {
	if f.merged() {
		return f.pull.Merge
	}
	return f.pull.Head
}

// unrelated reports whether a run is none of the pull request's: of its head, of what it was merged as, or of a wish there.
func (f facts) unrelated(run pipeline.Run) bool {
	switch t := run.Trigger; t.Event {
	case pipeline.EventPullRequest, pipeline.EventDeploy:
		return t.PullRequest != f.number
	case pipeline.EventPush:
		return !f.merged() || t.SHA != f.pull.Merge
	default:
		return true
	}
}

// command walks one command to its end.
func (d *Desk) command(ctx context.Context, c Comment, r *record, s *step, f facts, asked Invocation, place int) error {
	f.word = environment.Word{By: c.Author, Via: "comment", Cause: fmt.Sprintf("comment-%d-%d", c.ID, place)}
	if s.State == stateNew {
		if err := d.decide(ctx, s, f, asked, place); err != nil {
			return err
		}
		if err := d.keep(ctx, c, r); err != nil {
			return err
		}
	}
	if s.State != stateDecided {
		return nil
	}
	if err := d.react(ctx, c, "eyes"); err != nil {
		return err
	}
	if err := d.look(ctx, &f); err != nil {
		return err
	}
	d.carryOut(ctx, s, f, asked)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return d.keep(ctx, c, r)
}

func (d *Desk) decide(ctx context.Context, s *step, f facts, asked Invocation, place int) error {
	if err := d.look(ctx, &f); err != nil {
		return err
	}
	command, known := find(asked.Name)
	no := admit(command, known, f, asked, place)
	if no == nil && command.gather != nil {
		var err error
		if no, err = command.gather(ctx, d, &f, asked.Args); err != nil {
			return err
		}
	}
	var o order
	if no == nil {
		o, no = command.decide(f, asked.Args)
	}
	if known {
		if err := d.audit(ctx, f, command.Name, o, no); err != nil {
			return err
		}
	}
	log := zerolog.Ctx(ctx).Info().Str("user", f.asker.name).Str("permission", f.asker.permission).Int("pull_request", f.number).
		Str("repository", f.repository.FullName()).Str("command", asked.String()).Str("sha", f.pull.Head)
	if no != nil {
		*s = step{State: stateRefused, Said: no.text(asked)}
		log.Str("why", no.Why).Msg("command refused")
		return nil
	}
	*s = step{State: stateDecided, Order: o}
	log.Msg("command accepted")
	return nil
}

func closedPull() *Refusal {
	return &Refusal{Why: "The pull request is closed.", Do: "Reopen it to say this; `/status` can be said all the same."}
}

// admit refuses what no command may do, whatever it is about.
func admit(command Command, known bool, f facts, asked Invocation, place int) *Refusal {
	if !known {
		likely, _ := nearest(asked.Name)
		return &Refusal{Why: "There is no such command.", Do: "Did you mean " + code(likely.Usage()) + "? `/help` lists all."}
	}
	if place >= maxCommands {
		return &Refusal{Why: fmt.Sprintf("One comment can hold %d commands.", maxCommands), Do: "Write the rest in another one."}
	}
	if no := authorise(command, f.asker, f.repository.FullName()); no != nil {
		return no
	}
	if !f.pull.Open && !command.Closed {
		return closedPull()
	}
	return nothingAfter(command, asked.Args)
}

func (d *Desk) carryOut(ctx context.Context, s *step, f facts, asked Invocation) {
	command, _ := find(asked.Name)
	said, err := command.do(ctx, d, f, s.Order)
	if err == nil {
		s.State, s.Said = stateDone, said
		if command.lasts {
			s.State = stateBegun
		}
		return
	}
	if nothing, ok := errors.AsType[*nothingToDoError](err); ok {
		s.State, s.Said = stateFailed, nothing.said
		return
	}
	s.State = stateFailed
	s.Said = code(asked.String()) + " could not be carried out: this is not your mistake. The operator's log says why; to say it again does no harm."
	if errors.Is(err, pipeline.ErrNotFound) {
		s.Said = code(asked.String()) + " could not be carried out: its run is no longer kept. Push again to have another one."
	}
	zerolog.Ctx(ctx).Error().Err(err).Str("command", asked.String()).Msg("command failed")
}
