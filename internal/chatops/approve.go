package chatops

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/markdown"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/spelling"
)

// waiting is a run that waits before an environment, and whether the asker's approval of it counts.
type waiting struct {
	run    pipeline.Run
	entry  pipeline.Entry
	ballot environment.Ballot
}

func approveCommand() Command {
	return Command{
		Name: "approve", Args: "[environment]", Does: "Approves exactly what waits for the pull request's commits.", Who: Approvers, Closed: true,
		More: "The approval is for that candidate alone: its commit, base, images, plan, manifests and configuration. When any of it moves, " +
			"the approval is void. Where the environment prevents self-approval, whoever asked, wrote, opened or pushed it does not count.",
		Examples: []Example{{"/approve production", "Approves what waits for production."}},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			command, _ := find("approve")
			word, no := oneWord(strings.Fields(args), command.Usage())
			if no != nil {
				return no, nil
			}
			return d.gatherWaiting(ctx, f, word)
		},
		decide: func(f facts, _ string) (order, *Refusal) {
			w := f.waiting[0]
			if no := w.ballot.No; no != nil {
				return order{}, refusalOf(*no)
			}
			return order{Targets: []int64{w.run.ID}, Environment: w.entry.Environment, Candidate: w.ballot.Fingerprint}, nil
		},
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			err := d.gate.Approve(ctx, o.Targets[0], o.Environment, o.Candidate, f.word)
			if errors.Is(err, environment.ErrMoved) {
				return "", &nothingToDoError{"What waits for " + code(o.Environment) + " moved while this was said. Look at it, and say it again."}
			}
			return "", err
		},
	}
}

func rejectCommand() Command {
	return Command{
		Name: "reject", Args: "[environment] [reason]", Does: "Rejects what waits for the pull request's commits.", Who: Approvers, Closed: true,
		More:     "The waiting checks conclude as failed, with the reason.",
		Examples: []Example{{"/reject production the migration is missing", "Ends what waits for production."}},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			if no, err := d.loadEnvironments(ctx, f); no != nil || err != nil {
				return no, err
			}
			word, reason := leadingEnvironment(f.environments, args)
			if no := misspelt(f.environments, word, reason); no != nil {
				return no, nil
			}
			f.env.reason = reason
			return d.gatherWaiting(ctx, f, word)
		},
		decide: func(f facts, _ string) (order, *Refusal) {
			w := f.waiting[0]
			if !w.ballot.MayReject {
				return order{}, &Refusal{
					Why: fmt.Sprintf("%s may not reject what enters %s.", code(f.asker.name), code(w.entry.Environment)),
					Do:  "Whoever may approve it can; whoever asked for it can say `/cancel`.",
				}
			}
			return order{Targets: []int64{w.run.ID}, Environment: w.entry.Environment, Reason: f.env.reason}, nil
		},
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			err := d.gate.Reject(ctx, o.Targets[0], o.Environment, o.Reason, f.word)
			if errors.Is(err, environment.ErrMoved) {
				return "", &nothingToDoError{"Nothing waits for " + code(o.Environment) + " any more: it has entered, or ended, while this was said."}
			}
			return "", err
		},
	}
}

func refusalOf(m pipeline.Missing) *Refusal {
	do := ""
	if m.Who != "" {
		do = fmt.Sprintf("%s can approve it.", capital(markdown.Spans(m.Who)))
	}
	return &Refusal{Why: markdown.Spans(m.Why), Do: do}
}

// leadingEnvironment splits an environment's name off the beginning of a text.
func leadingEnvironment(all []pipeline.EnvironmentDefinition, text string) (name, rest string) {
	text = strings.TrimSpace(text)
	first := text
	if end := strings.IndexFunc(text, unicode.IsSpace); end >= 0 {
		first, rest = text[:end], text[end:]
	}
	for _, e := range all {
		if strings.EqualFold(e.Name, first) {
			return e.Name, strings.TrimSpace(rest)
		}
	}
	return "", text
}

// misspelt refuses a reason that begins with what is nearly an environment's name: the other one would be rejected.
func misspelt(all []pipeline.EnvironmentDefinition, word, reason string) *Refusal {
	words := strings.Fields(reason)
	if word != "" || len(words) == 0 {
		return nil
	}
	const slips = 2
	first := strings.ToLower(words[0])
	for _, e := range all {
		if name := strings.ToLower(e.Name); len(first) <= 2*len(name) && spelling.Distance(first, name) <= min(slips, len(name)/3) {
			return &Refusal{Why: fmt.Sprintf("There is no environment %s.", code(words[0])), Do: "Did you mean " + code("/reject "+e.Name) + "?"}
		}
	}
	return nil
}

// gatherWaiting finds what waits for the pull request's commits before an environment, and whether the asker's word counts.
func (d *Desk) gatherWaiting(ctx context.Context, f *facts, word string) (*Refusal, error) {
	if word != "" {
		if no, err := d.gatherPlace(ctx, f, word); no != nil || err != nil {
			return no, err
		}
	}
	found, err := d.waitingFor(ctx, *f)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, w := range found {
		if word != "" && !strings.EqualFold(w.entry.Environment, word) {
			continue
		}
		f.waiting = append(f.waiting, w)
		names = append(names, code(w.entry.Environment))
	}
	switch {
	case len(f.waiting) == 0 && word != "":
		return &Refusal{Why: fmt.Sprintf("Nothing of this pull request waits before %s.", code(word)), Do: nothingWaits}, nil
	case len(f.waiting) == 0:
		return &Refusal{Why: "Nothing of this pull request waits for an approval.", Do: nothingWaits}, nil
	case word == "" && differ(f.waiting):
		return &Refusal{Why: "Several environments wait.", Do: "Name one of them: " + strings.Join(names, ", ") + "."}, nil
	}
	w := &f.waiting[0]
	if w.entry.CandidateAt.After(f.comment.CreatedAt.Add(granularity)) && !f.comment.CreatedAt.IsZero() {
		return &Refusal{
			Why: fmt.Sprintf("What waits before %s was prepared after your comment.", code(w.entry.Environment)), Do: "Look at it, and say it again.",
		}, nil
	}
	w.ballot, err = d.gate.Ballot(ctx, w.run, w.entry.Environment, f.asker.name)
	return nil, err
}

const nothingWaits = "`/status` shows what runs, `/why` what keeps it from an environment."

// granularity is that of GitHub's times.
const granularity = 1e9

func differ(all []waiting) bool {
	for _, w := range all[1:] {
		if w.entry.Environment != all[0].entry.Environment {
			return true
		}
	}
	return false
}

// waitingFor lists what waits for the pull request's commits: what was asked for there, and the push of what it was merged
// as. Newest first.
func (d *Desk) waitingFor(ctx context.Context, f facts) ([]waiting, error) {
	filters := []pipeline.RunFilter{{RepositoryID: f.repository.ID, PullRequest: f.number, OpenOnly: true}}
	if f.pull.Merged && f.pull.Merge != "" {
		filters = append(filters, pipeline.RunFilter{RepositoryID: f.repository.ID, SHA: f.pull.Merge, OpenOnly: true})
	}
	var found []waiting
	seen := make(map[int64]bool)
	for _, filter := range filters {
		runs, err := d.runs.Runs(ctx, filter)
		if err != nil {
			return nil, fmt.Errorf("runs that wait: %w", err)
		}
		for _, run := range runs {
			if seen[run.ID] {
				continue
			}
			seen[run.ID] = true
			for _, e := range run.Entries {
				if e.State == pipeline.EntryWaiting {
					found = append(found, waiting{run: run, entry: e})
				}
			}
		}
	}
	return found, nil
}
