package store

import (
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// The queues, so that a flood in one does not hold up the others.
const (
	// QueueIntake works deliveries.
	QueueIntake = "intake"
	// QueueStages works stage attempts; its workers are the stages that run at a time.
	QueueStages = "stages"
	// QueueControl works what is short and must not wait behind stages: interrupts, and attempts that need no runner.
	QueueControl = "control"
	// QueueGate decides on entries into environments, and asks GitHub about people and commits.
	QueueGate = "gate"
	// QueueAnnounce writes to GitHub what is not a check, and may wait for GitHub's patience.
	QueueAnnounce = "announce"
)

// Queues lists them.
func Queues() []string {
	return []string{QueueIntake, QueueStages, QueueControl, QueueGate, QueueAnnounce}
}

// Attempts a job has before it is given up.
const (
	// DeliveryAttempts spread over about seven hours (see queue.Backoff).
	DeliveryAttempts = 10
	// StageAttempts spread over about two hours (see queue.Backoff): a stage that Slipway cannot carry out has to end.
	// What fails in a stage is its verdict and counts nothing here, and neither does a restart.
	StageAttempts = 30
)

// DeliveryJob is the job of a delivery. It is unique while it is alive.
type DeliveryJob struct {
	GUID string `json:"guid" river:"unique"`
}

// Kind implements river.JobArgs.
func (DeliveryJob) Kind() string { return "delivery" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (DeliveryJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue: QueueIntake, MaxAttempts: DeliveryAttempts,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
			rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
			rivertype.JobStateRunning, rivertype.JobStateScheduled,
		}},
	}
}

// StageJob is a job of a stage attempt. There may be several of one attempt: a wish for work that comes while the
// attempt is worked must not be lost. Package queue works only one of them at a time.
type StageJob struct {
	StageRunID int64 `json:"stage_run_id"`
}

// Kind implements river.JobArgs.
func (StageJob) Kind() string { return "stage" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (StageJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueStages, MaxAttempts: StageAttempts}
}

// InterruptJob asks to stop what runs of a run.
type InterruptJob struct {
	RunID int64 `json:"run_id"`
}

// Kind implements river.JobArgs.
func (InterruptJob) Kind() string { return "interrupt" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (InterruptJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueControl, MaxAttempts: StageAttempts}
}

// GateJob has the gate decide on a run's entry into an environment.
type GateJob struct {
	RunID       int64  `json:"run_id"`
	Environment string `json:"environment"`
}

// Kind implements river.JobArgs.
func (GateJob) Kind() string { return "gate" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (GateJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueGate, MaxAttempts: StageAttempts}
}

// AnnounceJob brings up to date what GitHub shows of a run's entry into an environment.
type AnnounceJob struct {
	RunID       int64  `json:"run_id"`
	Environment string `json:"environment"`
}

// Kind implements river.JobArgs.
func (AnnounceJob) Kind() string { return "announce" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (AnnounceJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueAnnounce, MaxAttempts: StageAttempts}
}

// DriftJob has an environment's infrastructure compared with its configuration, again and again. It is unique while it is
// alive: one for each environment and schedule.
type DriftJob struct {
	RepositoryID int64  `json:"repository_id" river:"unique"`
	Environment  string `json:"environment" river:"unique"`
	Schedule     string `json:"schedule" river:"unique"`
	TimeZone     string `json:"time_zone" river:"unique"`
}

// Kind implements river.JobArgs.
func (DriftJob) Kind() string { return "drift" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (DriftJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: QueueGate, MaxAttempts: StageAttempts, UniqueOpts: DeliveryJob{}.InsertOpts().UniqueOpts}
}

// AliveJob is a job that is not finished, as diagnostics and tests see it.
type AliveJob struct {
	ID    int64
	Kind  string
	Queue string
	// State is River's: available, running, retryable, scheduled.
	State string
	// One of these is set, but for drift.
	GUID       string
	StageRunID int64
	RunID      int64
	// Environment comes with RunID for gate and announce, and alone for drift.
	Environment string
	Attempt     int
	DueAt       time.Time
}
