package pipeline

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned by stores and executors for what does not exist.
var ErrNotFound = errors.New("not found")

// ErrUnreadable is returned by stores for what they keep encrypted and cannot decrypt: it is damaged, or its key is lost.
// Trying again does not help.
var ErrUnreadable = errors.New("cannot be decrypted")

// Job is durable work, written in the same transaction as the change that asks for it.
type Job struct {
	Kind JobKind
	// StageRunID for JobStage; 0 for an attempt that was appended in the same Change and has no ID yet: Key names it.
	StageRunID int64
	// Key is the stage's of a JobStage, the environment of a JobGate or JobAnnounce.
	Key string
	// RunID for all but JobStage; 0 for a run that is being created.
	RunID int64
	// After delays the job: a retry's back-off.
	After time.Duration
	// Short: the attempt needs no runner, so that it must not wait for a worker behind attempts that take long.
	Short bool
}

// JobKind names who works a job.
type JobKind string

// Jobs of the engine.
const (
	// JobStage carries out (or finds again) one stage attempt.
	JobStage JobKind = "stage"
	// JobInterrupt asks the executor to stop the running attempts of a run that carry a Cancel reason.
	JobInterrupt JobKind = "interrupt"
	// JobGate has the gate decide on a run's entry into an environment; Key is the environment.
	JobGate JobKind = "gate"
	// JobAnnounce brings up to date what GitHub shows of a run's entry into an environment; Key is the environment.
	JobAnnounce JobKind = "announce"
)

// Store is the truth. All methods are safe for concurrent use.
type Store interface {
	// CreateRun stores a run with its stages and jobs for those that are ready, unless one with the same Key exists:
	// then that one is returned and created is false. It gives IDs, Number and Index. prepare is called inside the
	// transaction after the numbers are known, to advance the new run; it returns the first jobs.
	CreateRun(ctx context.Context, run Run, prepare func(*Run) ([]Job, error)) (stored Run, created bool, err error)
	// Change loads a run, lets change alter it and stores what it altered together with the jobs it returns, in one
	// transaction, serialised with every other Change of that run. Appended stages get their IDs. Versions of altered
	// stages grow. An error of change rolls everything back and is returned as it is.
	Change(ctx context.Context, runID int64, change func(*Run) ([]Job, error)) (Run, error)
	Run(ctx context.Context, id int64) (Run, error)
	// RunByKey finds a run by its trigger's key; ErrNotFound.
	RunByKey(ctx context.Context, key string) (Run, error)
	// RunOfStage returns the run that holds a stage attempt.
	RunOfStage(ctx context.Context, stageRunID int64) (Run, error)
	// OpenRuns returns the runs of a group that have not ended, oldest first.
	OpenRuns(ctx context.Context, group string) ([]Run, error)
	// Runs lists runs, newest first, without the larger part of their stages' results.
	Runs(ctx context.Context, filter RunFilter) ([]Run, error)
	// FindReusable returns the newest successful attempt with that input key in the repository; trustedOnly leaves out
	// those of forks. Attempts that were themselves reused do not count. ErrNotFound.
	FindReusable(ctx context.Context, repositoryID int64, inputKey string, trustedOnly bool) (StageRun, Run, error)
}

// Executor is where runners live. Every method may be called again after a restart of the bot.
type Executor interface {
	// Start launches a task, or does nothing if a task of that ID is known: a second Start is how a restarted bot
	// finds a running one.
	Start(ctx context.Context, task Task, secrets Secrets) error
	// Events yields every event of the task from the first, in order, waiting for those to come, and returns nil
	// after the verdict. It returns a *LostError when the runner is gone without one, ErrNotFound for a task that is not
	// known, also when its start turns out to have been cut off: it is then to be started again.
	Events(ctx context.Context, taskID string, yield func(StageEvent) error) error
	// Known reports whether the task was started and not forgotten. A start that was cut off before anything ran is none.
	Known(ctx context.Context, taskID string) (bool, error)
	// Cancel interrupts the task, waits its grace, kills what is left; it returns at once. The verdict tells how it
	// ended. A task that is unknown or has ended is no error.
	Cancel(ctx context.Context, taskID string, reason string) error
	// Forget removes what the executor keeps of a task that has ended. Artifacts it left are gone afterwards.
	Forget(ctx context.Context, taskID string) error
	// Toolchain identifies what stages run with; a change of it makes passed stages not reusable.
	Toolchain() string
}

// LostError says that a runner ended without a verdict.
type LostError struct {
	TaskID string
	// Detail is what is known: "signal: killed", "exit status 137".
	Detail string
}

func (e *LostError) Error() string {
	return "runner of " + e.TaskID + " ended without a verdict: " + e.Detail
}

// ErrNothingToRun is returned by Definitions for a commit that was read and has neither a pipeline file nor anything to
// infer stages from. It is no ErrNotFound: that may be an answer GitHub gives for a moment after a push.
var ErrNothingToRun = errors.New("nothing to run")

// Definitions reads the definition that counts for a trigger (contract 5: head for trusted, base for forks,
// environments from the default branch, organisation rules merged).
type Definitions interface {
	// Definition returns *InvalidDefinitionError for a file with problems, and ErrNothingToRun. After any other error it
	// is to be asked again.
	Definition(ctx context.Context, trigger Trigger) (Definition, error)
}

// Forge answers questions about a commit.
type Forge interface {
	// Tree is the hash of the commit's tree: what a stage's inputs are.
	Tree(ctx context.Context, repository Repository, sha string) (string, error)
	// ChangedPaths lists the files that differ between the trigger's commit and its base (or what was there before).
	ChangedPaths(ctx context.Context, trigger Trigger) ([]string, error)
	// GitToken returns a token that can read this one repository and nothing else; empty where none is needed.
	GitToken(ctx context.Context, repository Repository) (string, error)
}

// SecretSource finds a secret: environment before repository before organisation.
type SecretSource interface {
	// Secret returns ErrNotFound when nobody has set it.
	Secret(ctx context.Context, repository Repository, environment, name string) (string, error)
}

// LogStore keeps the lines of stage attempts for 90 days.
type LogStore interface {
	// Append keeps lines; those with a Seq not above the last one kept are ignored, so that a replay is harmless.
	Append(ctx context.Context, stageRunID int64, lines []StoredLine) error
}

// StoredLine is a line as it is kept and streamed.
type StoredLine struct {
	Seq  int64     `json:"seq"`
	Time time.Time `json:"time"`
	LogLine
}

// ArtifactStore keeps files of stage attempts for 90 days.
type ArtifactStore interface {
	// Keep takes over the file a runner left at artifact.Path.
	Keep(ctx context.Context, stageRunID int64, artifact Artifact) error
	// KeepPrivate takes over a file for the second step of an attempt, encrypted; it is never shown.
	KeepPrivate(ctx context.Context, stageRunID int64, artifact Artifact) error
	// Private gives back what KeepPrivate kept; ErrNotFound.
	Private(ctx context.Context, stageRunID int64, name string) ([]byte, error)
}

// Releases finds what a rollback brings back, and what a deploy takes the place of.
type Releases interface {
	// Release returns ErrNotFound.
	Release(ctx context.Context, repositoryID int64, environment string, number int64) (Release, error)
	// Releases lists releases, newest first: the first of an environment is the one that it runs.
	Releases(ctx context.Context, filter ReleaseFilter) ([]Release, error)
	// ReleaseFile returns a file kept with a release; ErrNotFound, ErrUnreadable.
	ReleaseFile(ctx context.Context, repositoryID int64, environment string, number int64, name string) ([]byte, error)
}

// Diagnose finds the known failure behind a verdict; nil when it is none.
type Diagnose func(spec StageSpec, verdict Verdict, logTail []string) *Diagnosis

// Inline is a stage that is a pure function of its run and needs no runner (summary).
type Inline func(run Run, stage StageRun, now time.Time) Result

// Observer is told of every change after it is stored. It must return at once.
type Observer interface {
	RunChanged(run Run)
	LogAppended(stageRunID int64, lines []StoredLine)
}

// Clock is injected so that tests decide what time it is.
type Clock interface{ Now() time.Time }
