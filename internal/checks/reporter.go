package checks

import (
	"context"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Store is what the reporter needs of the truth.
type Store interface {
	Run(ctx context.Context, id int64) (pipeline.Run, error)
	// Mirrors returns what GitHub is known to show of a run's attempts, by stage run ID; those never mirrored are absent.
	Mirrors(ctx context.Context, runID int64) (map[int64]pipeline.Mirror, error)
	SaveMirror(ctx context.Context, mirror pipeline.Mirror) error
	// DirtyRuns lists the runs with an attempt that GitHub does not show in its newest version and was not given up.
	DirtyRuns(ctx context.Context) ([]int64, error)
}

// GitHub is what the reporter needs of the clients; githubclient.Pool is one.
type GitHub interface {
	Client(installation int64) (*github.Client, error)
	Acquire(ctx context.Context, installation int64, class githubclient.Class, priority githubclient.Priority) (context.Context, func(), error)
	Available(installation int64) int
	AvailableAt(installation int64, points int) time.Time
}

// Options of a Reporter.
type Options struct {
	GitHub GitHub
	Store  Store
	// PageURL is how people reach the dashboard.
	PageURL string
	// AppID narrows searches for checks to ours.
	AppID int64
	// Clock is nil for the machine's.
	Clock  githubclient.Clock
	Logger zerolog.Logger
}

// Reporter writes every change of a run to GitHub: conclusions first, progress when there is room, and each check until
// GitHub has its end. What was left unwritten by an earlier process is repaired at the start.
type Reporter struct {
	github  GitHub
	store   Store
	pageURL string
	appID   int64
	clock   githubclient.Clock
	log     zerolog.Logger

	mu       sync.Mutex
	started  bool
	opened   bool // the runs that need repair are known; nothing is written before
	stopping bool
	ctx      context.Context //nolint:containedctx // the life of the service, ended by Stop
	cancel   context.CancelFunc
	work     sync.WaitGroup
	sequence int64
	accounts map[int64]*account
	runs     map[int64]*runState
	suspects map[int64]bool
	busy     int
	idle     []chan struct{}
}

// NewReporter makes the service. Changes may be told before Start; they are written after it.
func NewReporter(o Options) *Reporter {
	if o.Clock == nil {
		o.Clock = githubclient.SystemClock{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Reporter{
		github: o.GitHub, store: o.Store, pageURL: o.PageURL, appID: o.AppID, clock: o.Clock, log: o.Logger,
		ctx: ctx, cancel: cancel,
		accounts: map[int64]*account{}, runs: map[int64]*runState{}, suspects: map[int64]bool{},
	}
}

// Start begins with the runs that GitHub does not show as they are.
func (r *Reporter) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started || r.stopping {
		return
	}
	r.started = true
	r.work.Go(r.repair)
}

// Stop lets requests under way end and waits for them. What is left is written after the next start.
func (r *Reporter) Stop() {
	r.mu.Lock()
	r.stopping = true
	for _, a := range r.accounts {
		if a.stopTimer != nil {
			a.stopTimer()
			a.stopTimer = nil
		}
	}
	r.mu.Unlock()
	r.cancel()
	r.work.Wait()
}

// RunChanged implements pipeline.Observer: it notes the change and returns.
func (r *Reporter) RunChanged(run pipeline.Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admit(run)
}

// LogAppended implements pipeline.Observer. The log is on the page; a check shows its end with the conclusion.
func (r *Reporter) LogAppended(int64, []pipeline.StoredLine) {}

// Flush waits until GitHub shows all that was told before, progress that waits for its turn included.
func (r *Reporter) Flush(ctx context.Context) error {
	r.mu.Lock()
	if r.quiet() {
		r.mu.Unlock()
		return nil
	}
	done := make(chan struct{})
	r.idle = append(r.idle, done)
	r.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Reporter) quiet() bool {
	if r.busy > 0 || (r.started && !r.opened) {
		return false
	}
	for _, a := range r.accounts {
		if len(a.ready) > 0 || len(a.delayed) > 0 {
			return false
		}
	}
	return true
}

// repair finds what an earlier process left unwritten. Until it is known nothing is written, so that no check is made twice.
func (r *Reporter) repair() {
	ids, ok := r.dirtyRuns()
	if !ok {
		return
	}
	r.mu.Lock()
	for _, id := range ids {
		r.suspects[id] = true
	}
	for id, state := range r.runs {
		state.suspect = state.suspect || r.suspects[id]
	}
	r.opened = true
	for _, a := range r.accounts {
		r.hire(a)
	}
	r.busy++ // the runs below are still to come
	r.mu.Unlock()
	for _, id := range ids {
		if !r.repairRun(id) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	r.tellIdle()
}

func (r *Reporter) dirtyRuns() ([]int64, bool) {
	for failures := 0; ; failures++ {
		ids, err := r.store.DirtyRuns(r.ctx)
		if err == nil {
			return ids, true
		}
		if r.ctx.Err() != nil {
			return nil, false
		}
		r.log.Error().Err(err).Msg("could not find out which checks GitHub does not show; no check is written until that works")
		if !r.sleep(backoff(failures)) {
			return nil, false
		}
	}
}

func (r *Reporter) repairRun(id int64) bool {
	run, err := r.store.Run(r.ctx, id)
	if err != nil {
		if r.ctx.Err() != nil {
			return false
		}
		r.log.Error().Err(err).Int64("run", id).Msg("could not read a run whose checks need repair; it is tried again at the next start")
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admit(run)
	delete(r.suspects, id)
	return true
}

func (r *Reporter) sleep(d time.Duration) bool {
	fired := make(chan struct{})
	stop := r.clock.AfterFunc(d, func() { close(fired) })
	select {
	case <-fired:
		return true
	case <-r.ctx.Done():
		stop()
		return false
	}
}

// backoff grows from a second to five minutes.
func backoff(failures int) time.Duration {
	const most = 5 * time.Minute
	return min(time.Second<<min(failures, 16), most)
}
