package checks

import (
	"time"

	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// runState is what the reporter remembers of a run while GitHub does not show its end.
type runState struct {
	id           int64
	sequence     int64 // order of arrival
	installation int64
	// latest is the newest state that was told; nil: nothing is to be written, or it is read from the store when its turn comes.
	latest *pipeline.Run
	// suspect: the run is older than this process; checks that are not recorded may exist all the same.
	suspect bool
	loaded  bool
	load    *task
	stages  map[int64]*task
}

// task is the work that one stage attempt's check needs, or (load) reading what is known of a run's checks.
type task struct {
	run      *runState
	loads    bool
	stageID  int64
	index    int
	mirror   pipeline.Mirror
	version  int64
	status   pipeline.Status
	findings int

	// asked: GitHub was asked whether the check exists, or it cannot exist.
	asked bool
	// unsure: whether GitHub has the annotations of the last request is unknown.
	unsure bool
	// unsaved: the mirror is newer than the store's.
	unsaved  bool
	shown    uint64 // fingerprint of the last request
	how      detail
	failures int
	// notBefore delays the next try after a failure.
	notBefore time.Time
	// lastWrite paces progress.
	lastWrite time.Time
	// updated: more than the creation was written, so that people see that the stage has begun.
	updated bool

	busy     bool
	priority githubclient.Priority
	due      time.Time
	place    placement
	at       int // index in its heap
}

// placement says in which heap a task is.
type placement int

const (
	placeNone placement = iota
	placeReady
	placeDelayed
)

// concludes reports whether GitHub shows such a status as completed.
func concludes(s pipeline.Status) bool { return s.Final() || s == pipeline.StatusWaiting }

// need is what the task has to write next; ok is false when GitHub and the store show what there is.
func (t *task) need() (p githubclient.Priority, ok bool) {
	switch {
	case t.loads:
		return githubclient.PriorityCreate, !t.run.loaded
	case t.mirror.GaveUp != "":
		return githubclient.PriorityAnswer, t.unsaved
	case t.mirror.CheckRunID == 0 && concludes(t.status), t.mirror.Version < t.version && concludes(t.status):
		return githubclient.PriorityConclusion, true
	case t.mirror.CheckRunID == 0:
		return githubclient.PriorityCreate, true
	case t.mirror.Version < t.version:
		return githubclient.PriorityProgress, true
	default:
		return githubclient.PriorityAnswer, t.unsaved || t.annotationsLeft() > 0
	}
}

// annotationsLeft is an upper bound: findings without a place make none, which the writer finds out.
func (t *task) annotationsLeft() int {
	if !t.status.Final() || t.how != detailFull {
		return 0
	}
	return max(min(t.findings, maxAnnotations)-t.mirror.Annotations, 0)
}

// settled reports whether nothing will ever be written for the attempt again.
func (t *task) settled() bool {
	_, needs := t.need()
	return !needs && !t.busy && (t.status.Final() || t.mirror.GaveUp != "")
}

// before orders tasks: by priority; creations by their place in the run, so that every run soon shows its first check; then in
// order of arrival.
func (t *task) before(other *task) bool {
	if t.priority != other.priority {
		return t.priority < other.priority
	}
	if t.priority == githubclient.PriorityCreate && t.index != other.index {
		return t.index < other.index
	}
	if t.run.sequence != other.run.sequence {
		return t.run.sequence < other.run.sequence
	}
	return t.stageID < other.stageID
}

// readyHeap and delayedHeap are container/heap's shape of the two queues of an account.
type (
	readyHeap   []*task
	delayedHeap []*task
)

func (h readyHeap) Len() int           { return len(h) }
func (h readyHeap) Less(i, j int) bool { return h[i].before(h[j]) }
func (h readyHeap) Swap(i, j int)      { swap(h, i, j) }
func (h *readyHeap) Push(x any)        { *h = push(*h, x) }
func (h *readyHeap) Pop() any          { return pop((*[]*task)(h)) }

func (h delayedHeap) Len() int           { return len(h) }
func (h delayedHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h delayedHeap) Swap(i, j int)      { swap(h, i, j) }
func (h *delayedHeap) Push(x any)        { *h = push(*h, x) }
func (h *delayedHeap) Pop() any          { return pop((*[]*task)(h)) }

func swap(h []*task, i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func push(h []*task, x any) []*task {
	t, ok := x.(*task)
	if !ok {
		return h
	}
	t.at = len(h)
	return append(h, t)
}

func pop(h *[]*task) any {
	last := len(*h) - 1
	t := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return t
}
