package pipeline

import (
	"context"
	"fmt"
	"time"
)

// Word is a person's word that a stranger's commit may run. It makes nothing trusted: the run keeps to be one without
// secrets, without a writable cache, and of no use to trusted ones.
type Word struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// WordFor is the command that lets the held stages of a commit run.
func WordFor(sha string) string { return "/ok-to-test " + sha }

// holdFork is why the stages of a fork's commit wait; it is the title of their checks.
func holdFork(sha string) string { return "Waiting for " + WordFor(sha) }

// Held reports whether a stage of the run must not start before a person has given the word.
func (r *Run) Held(s StageRun) bool { return s.Spec.Hold != "" && r.Released == nil }

// Release lets the held stages go on. The first word counts: saying it again changes nothing.
func (r *Run) Release(by string, now time.Time) ([]Job, error) {
	if r.Released == nil {
		r.Released = &Word{By: by, At: now}
	}
	for i := range r.Stages {
		s := &r.Stages[i]
		if s.Superseded || s.Status != StatusWaiting || s.Spec.Hold == "" {
			continue
		}
		if err := s.Move(StatusQueued, now); err != nil {
			return nil, err
		}
		s.Reason = ""
	}
	return r.Advance(now), nil
}

// Release lets the held stages of a run go on, on the word of a person who named exactly the run's commit.
func (s *Service) Release(ctx context.Context, runID int64, sha, by string) (Run, error) {
	return s.change(ctx, runID, func(r *Run) ([]Job, error) {
		if r.Trigger.SHA != sha {
			return nil, fmt.Errorf("run #%d is for the commit %s, and the word was given for %s", r.Number, r.Trigger.SHA, sha)
		}
		return r.Release(by, s.clock.Now())
	})
}

// wordFor finds the word that was given for the trigger's commit on its pull request: another run of it, asked for again
// or after the pull request was reopened, does not need it twice.
func (s *Service) wordFor(ctx context.Context, t Trigger) (*Word, error) {
	if t.Trusted() || t.PullRequest == 0 {
		return nil, nil //nolint:nilnil // no word, and nothing wrong
	}
	runs, err := s.store.Runs(ctx, RunFilter{RepositoryID: t.Repository.ID, PullRequest: t.PullRequest, SHA: t.SHA})
	if err != nil {
		return nil, fmt.Errorf("earlier runs of %s: %w", t.SHA, err)
	}
	for _, run := range runs {
		if run.Released != nil {
			return run.Released, nil
		}
	}
	return nil, nil //nolint:nilnil // as above
}
