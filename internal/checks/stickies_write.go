package checks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxStickyRuns is how many runs of a pull request are looked at.
const maxStickyRuns = 40

// write brings one comment up to date and says when it is to be looked at again.
func (s *Stickies) write(j stickyJob) {
	// A request that has begun is seen to its end, so that what was done is known.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), writeTimeout)
	defer cancel()
	wrote, again, err := s.update(githubclient.WithPriority(ctx, githubclient.PriorityProgress), j)

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if wrote {
		j.lastWrite = now
		pace := s.paceOf(j.repo.InstallationID)
		pace.written = append(pace.written, now)
	}
	if !again.IsZero() && (j.due.IsZero() || !j.soon) {
		j.due, j.soon = later(again, now.Add(time.Second)), j.urgent
	}
	s.settleError(j, err, now)
	j.busy = false
	s.busy--
	s.writers--
	if j.due.IsZero() && err == nil && len(j.seen) == 0 {
		delete(s.pulls, j.key) // nothing of it is under way
	}
	s.dispatch()
	s.tellIdle()
}

// settleError decides what becomes of a comment that could not be written.
func (s *Stickies) settleError(j stickyJob, err error, now time.Time) {
	p := j.pullSticky
	if err == nil {
		p.failures, p.notBefore = 0, time.Time{}
		return
	}
	p.due, p.soon = now, p.soon || j.urgent
	if limited, ok := errors.AsType[*githubclient.LimitedError](err); ok {
		p.notBefore = later(limited.Until, now.Add(time.Second))
		return
	}
	log := s.log.With().Str("repository", j.repo.FullName()).Int("pull_request", p.key.number).Logger()
	if reason, refused := stickyRefused(err); refused {
		p.gaveUp, p.due = true, time.Time{}
		log.Error().Err(err).Str("do", reason).Msg("GitHub refuses the comment on a pull request for good; it is given up until the next start")
		return
	}
	p.failures++
	p.notBefore = now.Add(backoff(p.failures - 1))
	if p.failures == 1 || p.failures%10 == 0 {
		log.Warn().Err(err).Int("tries", p.failures).Time("again", p.notBefore).Msg("the comment on a pull request could not be written; it is tried again")
	}
}

// stickyRefused reports whether GitHub will not take the comment however often it is sent: the conversation is locked, the
// repository is archived, the App may not write.
func stickyRefused(err error) (reason string, ok bool) {
	if reason, ok := githubclient.Permanent(err); ok {
		return reason, true
	}
	if answeredWith(err, http.StatusForbidden) || answeredWith(err, http.StatusUnprocessableEntity) {
		return "GitHub does not accept it: " + firstLine(err), true
	}
	return "", false
}

// update writes the comment if its text changed. again is when it is to be tried again, where it had to be put off.
func (s *Stickies) update(ctx context.Context, j stickyJob) (wrote bool, again time.Time, err error) {
	facts, open, err := s.gather(ctx, j.key)
	if err != nil || len(facts.Runs) == 0 {
		return false, time.Time{}, err
	}
	known, err := s.store.Sticky(ctx, j.key.repositoryID, j.key.number)
	if err != nil {
		return false, time.Time{}, fmt.Errorf("comment of #%d: %w", j.key.number, err)
	}
	s.mu.Lock()
	pull, at := j.pull, s.mayAt(j.repo.InstallationID, j.urgent)
	s.mu.Unlock()
	if at.After(s.clock.Now()) {
		return false, at, nil
	}
	if pull == nil || len(open) == 0 { // nothing tells for sure that it was closed meanwhile
		if pull, err = s.readPull(ctx, j); err != nil {
			return false, time.Time{}, err
		}
	}
	facts.Head, facts.State = pull.HeadSHA, pullState(*pull)
	body := RenderSticky(facts, s.pageURL)
	s.settleRuns(j.pullSticky, open)
	if known.CommentID != 0 && known.Shown == hashed(body) {
		return false, time.Time{}, nil
	}
	if known.CommentID, err = s.put(ctx, j, known.CommentID, body); err != nil {
		return false, time.Time{}, err
	}
	known.Shown = hashed(body)
	if err := s.store.SaveSticky(ctx, known); err != nil {
		return true, time.Time{}, fmt.Errorf("record the comment on #%d: %w", j.key.number, err)
	}
	return true, time.Time{}, nil
}

func hashed(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// settleRuns forgets what was told of runs that have ended, and of a pull request without open runs what it was like.
func (s *Stickies) settleRuns(p *pullSticky, open map[int64]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range p.seen {
		if !open[id] {
			delete(p.seen, id)
		}
	}
	if len(p.seen) == 0 {
		p.pull = nil
	}
}

func (s *Stickies) readPull(ctx context.Context, j stickyJob) (*githubclient.PullRequest, error) {
	pull, err := s.github.PullRequest(ctx, j.repo, j.key.number)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j.pull = &pull
	return &pull, nil
}

func pullState(pull githubclient.PullRequest) PullState {
	switch {
	case pull.Merged:
		return PullMerged
	case pull.Open:
		return PullOpen
	default:
		return PullClosed
	}
}

// gather reads what the comment tells of, and which of the runs are open.
func (s *Stickies) gather(ctx context.Context, key pullKey) (facts StickyFacts, open map[int64]bool, err error) {
	facts = StickyFacts{Number: key.number, States: map[string]pipeline.EnvironmentState{}, Releases: map[string]pipeline.Release{}}
	runs, err := s.store.Runs(ctx, pipeline.RunFilter{RepositoryID: key.repositoryID, PullRequest: key.number, Limit: maxStickyRuns})
	if err != nil {
		return facts, nil, fmt.Errorf("runs of #%d: %w", key.number, err)
	}
	runs = slices.DeleteFunc(runs, func(run pipeline.Run) bool { return !concerns(run.Trigger) })
	if runs, err = s.gatherMerge(ctx, key, runs); err != nil {
		return facts, nil, err
	}
	open = map[int64]bool{}
	for _, run := range runs {
		facts.Runs = append(facts.Runs, run)
		if !run.Status.Final() {
			open[run.ID] = true
		}
		for _, e := range run.Entries {
			if err := s.gatherEnvironment(ctx, &facts, key.repositoryID, e.Environment); err != nil {
				return facts, nil, err
			}
		}
	}
	return facts, open, nil
}

func (s *Stickies) gatherEnvironment(ctx context.Context, facts *StickyFacts, repositoryID int64, name string) error {
	if _, known := facts.States[name]; known {
		return nil
	}
	state, err := s.store.EnvironmentState(ctx, repositoryID, name)
	if err != nil {
		return fmt.Errorf("state of %s: %w", name, err)
	}
	facts.States[name] = state
	if state.Release == 0 {
		return nil
	}
	release, err := s.store.Release(ctx, repositoryID, name, state.Release)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("release %d of %s: %w", state.Release, name, err)
	}
	facts.Releases[name] = release
	return nil
}

// put edits the comment, or makes it where it is not there (any more).
func (s *Stickies) put(ctx context.Context, j stickyJob, id int64, body string) (int64, error) {
	if id == 0 && !j.searched {
		found, err := s.github.FindComment(ctx, j.repo, j.key.number, time.Time{}, stickyMark(j.key.number)+"\n")
		if err != nil {
			return 0, err
		}
		id, j.searched = found, true
	}
	if id != 0 {
		err := s.github.EditComment(ctx, j.repo, id, body)
		if err == nil || !answeredWith(err, http.StatusNotFound) {
			return id, err
		}
		// Somebody deleted it.
	}
	id, err := s.github.Comment(ctx, j.repo, j.key.number, body)
	if err != nil {
		j.searched = !ambiguous(err) // it may be there all the same
		return 0, err
	}
	return id, nil
}

// repair looks at the comments of open runs and of those that ended lately, which an earlier process may have left behind.
func (s *Stickies) repair() {
	defer s.found()
	for failures := 0; ; failures++ {
		runs, err := s.recent()
		if err == nil {
			s.mu.Lock()
			for _, run := range runs {
				s.schedule(s.pull(run.Trigger.Repository, run.Trigger.PullRequest), false)
			}
			s.arm() // also for what was told before the start
			s.mu.Unlock()
			return
		}
		if s.ctx.Err() != nil {
			return
		}
		s.log.Error().Err(err).Msg("could not find out which pull requests have comments to repair; it is tried again")
		if !s.sleep(backoff(failures)) {
			return
		}
	}
}

func (s *Stickies) sleep(d time.Duration) bool {
	fired := make(chan struct{})
	stop := s.clock.AfterFunc(d, func() { close(fired) })
	select {
	case <-fired:
		return true
	case <-s.ctx.Done():
		stop()
		return false
	}
}

// found ends what was looked for beside the comments.
func (s *Stickies) found() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
	s.dispatch()
	s.tellIdle()
}

// recent are one run of each pull request with an open run or one that ended lately.
func (s *Stickies) recent() ([]pipeline.Run, error) {
	const most = 500 // of each kind
	since := s.clock.Now().Add(-stickyWindow)
	var found []pipeline.Run
	seen := map[pullKey]bool{}
	for _, filter := range []pipeline.RunFilter{
		{Event: pipeline.EventPullRequest, OpenOnly: true}, {Event: pipeline.EventDeploy, OpenOnly: true},
		{Event: pipeline.EventPullRequest}, {Event: pipeline.EventDeploy},
	} {
		for n, old := 0, false; !old && n < most; {
			runs, err := s.store.Runs(s.ctx, filter)
			if err != nil {
				return nil, err
			}
			for _, run := range runs {
				key := pullKey{run.Trigger.Repository.ID, run.Trigger.PullRequest}
				filter.Before = run.ID
				if ended := run.FinishedAt; run.Status.Final() && ended.Before(since) {
					old = run.CreatedAt.Before(since)
					continue
				}
				if concerns(run.Trigger) && !seen[key] {
					seen[key] = true
					found = append(found, run)
				}
			}
			n, old = n+len(runs), old || len(runs) == 0
		}
	}
	return found, nil
}

// lookAround has the comments of other pull requests looked at that say what an environment runs now.
func (s *Stickies) lookAround(run pipeline.Run) {
	defer s.found()
	const (
		others = 30
		lately = 7 * 24 * time.Hour
	)
	for _, e := range run.Entries {
		if e.State != pipeline.EntryDone {
			continue
		}
		runs, err := s.store.Runs(s.ctx, pipeline.RunFilter{RepositoryID: run.Trigger.Repository.ID, Environment: e.Environment, Limit: others})
		if err != nil {
			if s.ctx.Err() != nil {
				return
			}
			s.log.Warn().Err(err).Str("environment", e.Environment).Msg("could not find out whose comments tell of an environment")
			return
		}
		s.mu.Lock()
		for _, other := range runs {
			if concerns(other.Trigger) && other.Trigger.PullRequest != run.Trigger.PullRequest && s.clock.Now().Sub(other.CreatedAt) < lately {
				s.schedule(s.pull(other.Trigger.Repository, other.Trigger.PullRequest), false)
			}
		}
		s.mu.Unlock()
	}
}
