package checks

import (
	"context"
	"errors"
	"time"

	"github.com/slipwayhq/slipway/internal/githubclient"
)

// hire starts as many writers as an account may have and has work for, and a timer for what is due later. A writer ends when
// nothing is ready. The lock is held.
func (r *Reporter) hire(a *account) {
	if !r.opened || r.stopping {
		return
	}
	a.ripen(r.clock.Now(), r.progressAt)
	if a.writers < len(a.ready) {
		for range min(len(a.ready), r.writersOf(a)) - a.writers {
			a.writers++
			r.work.Go(func() { r.write(r.ctx, a) })
		}
	}
	r.arm(a)
}

func (r *Reporter) arm(a *account) {
	if len(a.delayed) == 0 {
		if a.stopTimer != nil {
			a.stopTimer()
			a.stopTimer = nil
		}
		return
	}
	due := a.delayed[0].due
	if a.stopTimer != nil {
		if a.timerAt.Equal(due) {
			return
		}
		a.stopTimer()
	}
	a.timerAt = due
	a.stopTimer = r.clock.AfterFunc(max(due.Sub(r.clock.Now()), 0), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		a.stopTimer = nil
		r.hire(a)
	})
}

// write carries out tasks, the most urgent first, until none is ready.
func (r *Reporter) write(ctx context.Context, a *account) {
	for {
		r.mu.Lock()
		if r.stopping || len(a.ready) == 0 {
			a.writers--
			r.arm(a)
			r.tellIdle()
			r.mu.Unlock()
			return
		}
		if a.ready[0].loads {
			state := r.take(a).run
			r.mu.Unlock()
			r.loadRun(ctx, a, state)
			continue
		}
		if r.tooEarly(a) {
			r.mu.Unlock()
			continue
		}
		reserve := &waitingWriter{priority: a.ready[0].priority}
		waiting, cancel := context.WithCancel(ctx)
		reserve.cancel = cancel
		a.waiting[reserve] = struct{}{}
		r.mu.Unlock()
		r.writeOne(waiting, a, reserve)
		cancel()
	}
}

// tooEarly puts the first task off if it is progress and the points have gone since it was due. The lock is held.
func (r *Reporter) tooEarly(a *account) bool {
	t, now := a.ready[0], r.clock.Now()
	if t.priority != githubclient.PriorityProgress || !r.progressAt(a, t).After(now) {
		return false
	}
	a.place(t, now, r.progressAt)
	return true
}

// take removes the most urgent task from its queue to work on it. The lock is held.
func (r *Reporter) take(a *account) *task {
	t := a.next()
	if t != nil {
		t.busy = true
		r.busy++
	}
	return t
}

// writeOne waits for points, and only then chooses what is most urgent and how it looks by now.
func (r *Reporter) writeOne(ctx context.Context, a *account, reserve *waitingWriter) {
	reserved, done, err := r.github.Acquire(ctx, a.installation, githubclient.ClassWrite, reserve.priority)
	r.mu.Lock()
	delete(a.waiting, reserve)
	if err != nil {
		r.mu.Unlock()
		r.withoutPoints(ctx, a, err)
		return
	}
	defer done()
	t := r.take(a)
	r.mu.Unlock()
	if t == nil {
		return
	}
	// A request that has begun is seen to its end, so that what was done is known.
	once, cancel := context.WithTimeout(context.WithoutCancel(reserved), writeTimeout)
	defer cancel()
	if t.loads {
		done()
		r.loadTaken(once, a, t.run)
		return
	}
	outcome := r.perform(once, t)
	r.settle(a, t, outcome)
}

// writeTimeout bounds one write with the questions it may need before.
const writeTimeout = 2 * time.Minute

// withoutPoints handles that no points were had: a more urgent task came, or the reporter stops, or there is no client.
func (r *Reporter) withoutPoints(ctx context.Context, a *account, err error) {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	t := r.take(a)
	r.mu.Unlock()
	if t == nil {
		return
	}
	o := t.outcome()
	o.err = err
	r.settle(a, t, o)
}

// loadRun reads what is known of a run's checks; its load task is taken.
func (r *Reporter) loadRun(ctx context.Context, a *account, state *runState) {
	once, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	r.loadTaken(once, a, state)
}

func (r *Reporter) loadTaken(ctx context.Context, a *account, state *runState) {
	mirrors, err := r.store.Mirrors(ctx, state.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	state.load.busy = false
	r.busy--
	now := r.clock.Now()
	if err != nil {
		r.log.Error().Err(err).Int64("run", state.id).Msg("could not read which checks of a run GitHub has; it is tried again")
		state.load.failures++
		state.load.notBefore = now.Add(backoff(state.load.failures - 1))
		a.place(state.load, now, r.progressAt)
		r.hire(a)
		return
	}
	state.loaded = true
	for id, t := range state.stages {
		t.mirror.StageRunID = id
		if m, ok := mirrors[id]; ok {
			t.mirror = m
			t.mirror.StageRunID = id
			// An earlier process may have sent annotations without living to record it.
			t.unsure = state.suspect && m.CheckRunID != 0 && t.findings > 0
		}
		t.asked = !state.suspect && !t.mirror.Creating
		a.place(t, now, r.progressAt)
	}
	r.release(a, state)
	r.hire(a)
}

// settle records how a task went and puts it where it belongs.
func (r *Reporter) settle(a *account, t *task, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t.busy = false
	r.busy--
	now := r.clock.Now()
	if r.learn(t, o, now) {
		for _, other := range t.run.stages {
			if other != t && other.mirror.GaveUp == "" {
				other.mirror.GaveUp, other.unsaved = t.mirror.GaveUp, true
				a.place(other, now, r.progressAt)
			}
		}
	}
	a.place(t, now, r.progressAt)
	r.release(a, t.run)
	r.hire(a)
	r.tellIdle()
}

func (r *Reporter) tellIdle() {
	if !r.quiet() {
		return
	}
	for _, done := range r.idle {
		close(done)
	}
	r.idle = nil
}
