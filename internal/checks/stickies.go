package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// StickyStore is what Stickies needs of the truth.
type StickyStore interface {
	Runs(ctx context.Context, filter pipeline.RunFilter) ([]pipeline.Run, error)
	// Pushes and PushesTo tell which commits refs held, newest first; among them pipeline.MergeRef.
	Pushes(ctx context.Context, repositoryID int64, sha string) ([]pipeline.PushRecord, error)
	PushesTo(ctx context.Context, repositoryID int64, ref string, limit int) ([]pipeline.PushRecord, error)
	EnvironmentState(ctx context.Context, repositoryID int64, name string) (pipeline.EnvironmentState, error)
	// Release returns pipeline.ErrNotFound.
	Release(ctx context.Context, repositoryID int64, environment string, number int64) (pipeline.Release, error)
	// Sticky is what is known of a pull request's comment; nothing but where it belongs where there is none.
	Sticky(ctx context.Context, repositoryID int64, pullRequest int) (pipeline.Sticky, error)
	SaveSticky(ctx context.Context, s pipeline.Sticky) error
}

// StickyGitHub is what Stickies needs of GitHub; githubclient.Pool is one.
type StickyGitHub interface {
	PullRequest(ctx context.Context, repository pipeline.Repository, number int) (githubclient.PullRequest, error)
	Comment(ctx context.Context, repository pipeline.Repository, number int, body string) (id int64, err error)
	EditComment(ctx context.Context, repository pipeline.Repository, comment int64, body string) error
	// FindComment returns 0 where there is none.
	FindComment(ctx context.Context, repository pipeline.Repository, number int, since time.Time, mark string) (id int64, err error)
	Available(installation int64) int
	AvailableAt(installation int64, points int) time.Time
}

// StickyOptions of Stickies.
type StickyOptions struct {
	GitHub StickyGitHub
	Store  StickyStore
	// PageURL is how people reach the dashboard.
	PageURL string
	// Clock is nil for the machine's.
	Clock  githubclient.Clock
	Logger zerolog.Logger
}

// Times of the comment. Many changes make one edit: people read the comment, they do not watch it.
const (
	stickyDelay = 4 * time.Second
	// stickySoon is for what people wait for: an end, or that they are asked.
	stickySoon = time.Second
	// stickyInterval and stickySoonInterval are the least times between two edits of one comment.
	stickyInterval     = 20 * time.Second
	stickySoonInterval = 3 * time.Second
	// stickyWindow is how long after its end a run's comment is repaired at a start.
	stickyWindow = 24 * time.Hour
	// stickyWriters is how many comments are written at once.
	stickyWriters = 4
)

// Stickies keeps the one comment on each pull request that shows where it stands. It is a pipeline.Observer; a comment is
// written where its text changed, and never at the expense of checks.
type Stickies struct {
	github  StickyGitHub
	store   StickyStore
	pageURL string
	clock   githubclient.Clock
	log     zerolog.Logger

	mu       sync.Mutex
	started  bool
	stopping bool
	ctx      context.Context //nolint:containedctx // the life of the service, ended by Stop
	cancel   context.CancelFunc
	work     sync.WaitGroup
	pulls    map[pullKey]*pullSticky
	paces    map[int64]*pace
	// looked are the runs whose releases other pull requests were told of.
	looked map[int64]bool
	// busy counts the comments that are worked on, and what is looked for beside.
	busy, writers int
	stopTimer     func() bool
	timerAt       time.Time
	idle          []chan struct{}
}

type pullKey struct {
	repositoryID int64
	number       int
}

// pullSticky is what is remembered of a pull request while something about it may change.
type pullSticky struct {
	key        pullKey
	repository pipeline.Repository
	// due is when its text is looked at; zero: not at all.
	due time.Time
	// notBefore holds it back whatever happens: the last try failed.
	notBefore time.Time
	soon      bool
	busy      bool
	seen      map[int64]uint64 // what was told of its runs last
	// pull is how the pull request was when it was asked for last; nil: it is to be asked for.
	pull *githubclient.PullRequest
	// searched: GitHub has no comment of ours but the recorded one.
	searched  bool
	failures  int
	lastWrite time.Time
	gaveUp    bool
}

// stickyJob is one look at a comment.
type stickyJob struct {
	*pullSticky

	repo pipeline.Repository
	// urgent: people wait for it.
	urgent bool
}

var _ pipeline.Observer = (*Stickies)(nil)

// NewStickies makes the service. Changes may be told before Start; they are written after it.
func NewStickies(o StickyOptions) *Stickies {
	if o.Clock == nil {
		o.Clock = githubclient.SystemClock{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Stickies{
		github: o.GitHub, store: o.Store, pageURL: o.PageURL, clock: o.Clock, log: o.Logger, ctx: ctx, cancel: cancel,
		pulls: map[pullKey]*pullSticky{}, paces: map[int64]*pace{}, looked: map[int64]bool{},
	}
}

// Start begins with the comments that an earlier process may have left behind the truth.
func (s *Stickies) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.stopping {
		return
	}
	s.started = true
	s.busy++
	s.work.Go(s.repair)
}

// Stop lets requests under way end and waits for them. What is left is written after the next start.
func (s *Stickies) Stop() {
	s.mu.Lock()
	s.stopping = true
	s.disarm()
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
}

// Flush writes what is pending without its delay, and waits until GitHub shows it or wants patience.
func (s *Stickies) Flush(ctx context.Context) error {
	s.mu.Lock()
	for _, p := range s.pulls {
		if !p.due.IsZero() {
			p.due, p.lastWrite = s.clock.Now(), time.Time{}
		}
	}
	s.dispatch()
	if s.quiet() {
		s.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	s.idle = append(s.idle, done)
	s.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Stickies) quiet() bool {
	if s.busy > 0 {
		return false
	}
	for _, p := range s.pulls {
		if !p.due.IsZero() {
			return false
		}
	}
	return true
}

func (s *Stickies) tellIdle() {
	if !s.quiet() {
		return
	}
	for _, done := range s.idle {
		close(done)
	}
	s.idle = nil
}

// RunChanged implements pipeline.Observer: it notes the change and returns.
func (s *Stickies) RunChanged(run pipeline.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if released(run) && !s.looked[run.ID] && !s.stopping {
		if len(s.looked) > 1000 {
			clear(s.looked) // to look around once more costs little
		}
		s.looked[run.ID] = true
		s.busy++
		s.work.Go(func() { s.lookAround(run) })
	}
	switch {
	case concerns(run.Trigger):
		s.noted(run, run.Trigger.PullRequest)
	case run.Trigger.Event == pipeline.EventPush && len(run.Entries) > 0 && !s.stopping:
		s.busy++
		s.work.Go(func() { s.mergeChanged(run) })
	}
}

// noted has the comment of a pull request looked at where it has something new to tell of a run. s.mu is held.
func (s *Stickies) noted(run pipeline.Run, number int) {
	p := s.pull(run.Trigger.Repository, number)
	told := signature(run)
	before, known := p.seen[run.ID]
	if known && before == told {
		return // a line of progress
	}
	p.seen[run.ID] = told
	if run.Trigger.Event == pipeline.EventPullRequest && p.pull != nil && p.pull.HeadSHA != run.Trigger.SHA {
		p.pull = nil // the head has moved
	}
	s.schedule(p, run.Status.Final() || asksSomebody(run))
}

// concerns reports whether a run belongs on the comment of its pull request.
func concerns(t pipeline.Trigger) bool {
	return t.PullRequest > 0 && (t.Event == pipeline.EventPullRequest || t.Event == pipeline.EventDeploy)
}

// LogAppended implements pipeline.Observer.
func (s *Stickies) LogAppended(int64, []pipeline.StoredLine) {}

// PullChanged has a pull request looked at again that was closed, merged, reopened or pushed to.
func (s *Stickies) PullChanged(repository pipeline.Repository, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pull(repository, number)
	p.pull, p.gaveUp = nil, false // the conversation may have been unlocked
	s.schedule(p, true)
}

func asksSomebody(run pipeline.Run) bool {
	return slices.ContainsFunc(run.Entries, func(e pipeline.Entry) bool {
		return e.State == pipeline.EntryWaiting && e.Hold != nil && e.Hold.Person
	})
}

// released reports whether a run's environments run something else since it entered.
func released(run pipeline.Run) bool {
	return run.Status.Final() && slices.ContainsFunc(run.Entries, func(e pipeline.Entry) bool { return e.State == pipeline.EntryDone })
}

// signature is of what the comment tells of a run.
func signature(run pipeline.Run) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(fmt.Appendln(nil, run.Status, run.Released != nil)) // a hash takes everything
	for _, st := range run.Stages {
		_, _ = h.Write(fmt.Appendln(nil, st.ID, st.Status, st.Superseded, st.Reason, st.Release, st.Phase)) // as above
	}
	if err := json.NewEncoder(h).Encode(run.Entries); err != nil { // data always encodes
		return 0
	}
	return h.Sum64()
}

// pull finds or begins what is remembered of a pull request. The lock is held, as in everything below.
func (s *Stickies) pull(repository pipeline.Repository, number int) *pullSticky {
	key := pullKey{repository.ID, number}
	p, known := s.pulls[key]
	if !known {
		p = &pullSticky{key: key, seen: map[int64]uint64{}}
		s.pulls[key] = p
	}
	p.repository = repository // it may have been renamed
	return p
}

const (
	stickiesPerMinute = 20
	stickiesPerHour   = 180
	// soonPerHour may come on top, of what people wait for.
	soonPerHour = 60
)
