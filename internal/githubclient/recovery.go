package githubclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/go-github/v60/github"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// How missed deliveries are looked for.
const (
	// deliveriesKept is how long GitHub keeps and redelivers them.
	deliveriesKept = 72 * time.Hour
	// recoveryInterval is the longest time a delivery that failed stays unnoticed while we run.
	recoveryInterval = 5 * time.Minute
	// maxRedeliveries of one delivery, at growing distances: a delivery that we refuse each time is not worth more.
	maxRedeliveries = 8
	// maxRedeliveryWait bounds those distances.
	maxRedeliveryWait = time.Hour

	checkpointSetting = "github.deliveries.checkpoint"
	statusOK          = "OK"
)

// Settings keeps small values over restarts.
type Settings interface {
	// Setting returns pipeline.ErrNotFound, or an empty value, for what was never set.
	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error
}

// Recovery finds the deliveries that GitHub could not hand over and has them delivered again. GitHub itself never repeats one.
type Recovery struct {
	pool     *Pool
	settings Settings
	clock    Clock
	log      zerolog.Logger

	mu      sync.Mutex
	cancel  context.CancelFunc
	stopped chan struct{}

	// tries belongs to the one goroutine that scans.
	tries map[string]redelivery
}

type redelivery struct {
	count int
	next  time.Time
}

// NewRecovery makes the service; Start lets it run.
func (p *Pool) NewRecovery(settings Settings) *Recovery {
	return &Recovery{pool: p, settings: settings, clock: p.clock, log: p.log, tries: map[string]redelivery{}}
}

// Start looks at once, and then every five minutes until Stop.
func (r *Recovery) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.stopped = cancel, make(chan struct{})
	go r.run(ctx, r.stopped)
}

// Stop ends the service and waits for it.
func (r *Recovery) Stop() {
	r.mu.Lock()
	cancel, stopped := r.cancel, r.stopped
	r.cancel = nil
	r.mu.Unlock()
	if cancel != nil {
		cancel()
		<-stopped
	}
}

func (r *Recovery) run(ctx context.Context, stopped chan<- struct{}) {
	defer close(stopped)
	for {
		if err := r.scan(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn().Err(err).Dur("again_in", recoveryInterval).Msg("could not look for missed deliveries")
		}
		if !sleep(r.clock, ctx.Done(), recoveryInterval) {
			return
		}
	}
}

// missed is a delivery GitHub could not hand over in any attempt.
type missed struct {
	guid  string
	id    int64 // of its newest attempt
	first time.Time
	event string
	state string
}

// scan reads GitHub's log back to the checkpoint and asks for what was never answered well. The checkpoint moves up to what
// was seen, but not past a delivery that is still missing.
func (r *Recovery) scan(ctx context.Context) error {
	begun := r.clock.Now()
	since, err := r.checkpoint(ctx, begun)
	if err != nil {
		return err
	}
	log, err := r.deliveries(ctx, since)
	if err != nil {
		return err
	}
	reached := begun
	var problems []error
	for _, m := range missing(log, r.tries) {
		if reached.After(m.first) && r.tries[m.guid].count < maxRedeliveries {
			reached = m.first
		}
		problems = append(problems, r.redeliver(ctx, m))
	}
	r.forget(log)
	problems = append(problems, r.settings.SetSetting(ctx, checkpointSetting, reached.UTC().Format(time.RFC3339Nano)))
	return errors.Join(problems...)
}

func (r *Recovery) checkpoint(ctx context.Context, now time.Time) (time.Time, error) {
	oldest := now.Add(-deliveriesKept)
	value, err := r.settings.Setting(ctx, checkpointSetting)
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return time.Time{}, fmt.Errorf("read how far deliveries were checked: %w", err)
	}
	// A delivery is logged when it ends, with the time it began: overlap by a little. What was never set, or set otherwise
	// by another version, means to look at all there is.
	if at, err := time.Parse(time.RFC3339Nano, value); err == nil {
		return later(oldest, at.Add(-time.Minute)), nil
	}
	return oldest, nil
}

// deliveries lists GitHub's log, newest first, back to since.
func (r *Recovery) deliveries(ctx context.Context, since time.Time) ([]*github.HookDelivery, error) {
	app, err := r.pool.App()
	if err != nil {
		return nil, err
	}
	options := &github.ListCursorOptions{PerPage: perPage}
	var all []*github.HookDelivery
	for {
		page, resp, err := app.Apps.ListHookDeliveries(withCaching(ctx, cacheNever), options)
		if err != nil {
			return nil, fmt.Errorf("list the App's deliveries: %w", explained(err))
		}
		for _, d := range page {
			if d.GetDeliveredAt().Before(since) {
				return all, nil
			}
			all = append(all, d)
		}
		if resp.Cursor == "" || len(page) == 0 {
			return all, nil
		}
		options.Cursor = resp.Cursor
	}
}

// missing groups the log by GUID and returns those without a good answer, oldest first, so that they come in their order.
func missing(log []*github.HookDelivery, tries map[string]redelivery) []missed {
	byGUID := map[string]*missed{}
	good := map[string]bool{}
	for _, d := range log {
		guid := d.GetGUID()
		if d.GetStatus() == statusOK {
			good[guid] = true
		}
		m, ok := byGUID[guid]
		if !ok {
			m = &missed{guid: guid, id: d.GetID(), event: d.GetEvent(), state: d.GetStatus()}
			byGUID[guid] = m
		}
		m.first = d.GetDeliveredAt().Time
	}
	var found []missed
	for guid, m := range byGUID {
		if good[guid] {
			delete(tries, guid)
			continue
		}
		found = append(found, *m)
	}
	slices.SortFunc(found, func(a, b missed) int {
		if c := a.first.Compare(b.first); c != 0 {
			return c
		}
		return int(min(max(a.id-b.id, -1), 1))
	})
	return found
}

func (r *Recovery) redeliver(ctx context.Context, m missed) error {
	now := r.clock.Now()
	tried := r.tries[m.guid]
	if tried.count >= maxRedeliveries || now.Before(tried.next) {
		return nil
	}
	app, err := r.pool.App()
	if err != nil {
		return err
	}
	_, _, err = app.Apps.RedeliverHookDelivery(ctx, m.id)
	var accepted *github.AcceptedError
	if err != nil && !errors.As(err, &accepted) {
		return fmt.Errorf("ask for delivery %s again: %w", m.guid, explained(err))
	}
	tried.count++
	// The first repetition may be followed by another at the next look.
	tried.next = now.Add(backoff(recoveryInterval, maxRedeliveryWait, tried.count-1) - time.Second)
	r.tries[m.guid] = tried
	level, advice := zerolog.InfoLevel, "nothing"
	if tried.count == maxRedeliveries {
		level, advice = zerolog.ErrorLevel, "look at it in the App's settings under Advanced, Recent Deliveries"
	}
	r.log.WithLevel(level).Str("do", advice).Str("delivery", m.guid).Str("event", m.event).Str("was", m.state).Int("try", tried.count).
		Msg("GitHub could not deliver an event; it was asked to deliver it again")
	return nil
}

// forget drops what is no longer in the part of the log that is looked at.
func (r *Recovery) forget(log []*github.HookDelivery) {
	present := map[string]bool{}
	for _, d := range log {
		present[d.GetGUID()] = true
	}
	for guid := range r.tries {
		if !present[guid] {
			delete(r.tries, guid)
		}
	}
}
