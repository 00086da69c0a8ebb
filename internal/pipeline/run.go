package pipeline

import (
	"encoding/json"
	"time"
)

// StageSpec is one planned stage: what to do, decided once, never changed.
type StageSpec struct {
	// Key is unique within a run and the name of the Check Run: "build-and-test", "test (3.12, slim)", "deploy (production)".
	Key         string            `json:"key"`
	ID          string            `json:"id"`
	Uses        string            `json:"uses"`
	With        json.RawMessage   `json:"with,omitempty"`
	Run         []string          `json:"run,omitempty"`
	Needs       []Need            `json:"needs,omitempty"` // by Key
	Matrix      MatrixLeg         `json:"matrix,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Image       string            `json:"image,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	Secrets     []string          `json:"secrets,omitempty"`
	Cache       []CacheDefinition `json:"cache,omitempty"`
	Artifacts   []string          `json:"artifacts,omitempty"`
	Reports     Reports           `json:"reports,omitzero"`
	// Checkout is what its files are besides the commit's own.
	Checkout          CheckoutDefinition `json:"checkout,omitzero"`
	Timeout           time.Duration      `json:"timeout"`
	Retry             int                `json:"retry,omitempty"`
	ContinueOnFailure bool               `json:"continue_on_failure,omitempty"`
	// Steps says which steps the stage has, and which of them are carried out.
	Steps Steps `json:"steps,omitempty"`
	// Early: it prepares at once, beside the stages it needs.
	Early bool `json:"early,omitempty"`
	// Enters: it changes its environment, so that the gate decides before.
	Enters bool `json:"enters,omitempty"`
	// GoesBack: when something that comes after it in its environment fails, it brings back what ran there before.
	GoesBack bool `json:"goes_back,omitempty"`
	// OptionalSecrets are given where somebody has set them.
	OptionalSecrets []string `json:"optional_secrets,omitempty"`
	// Alike are other environments for which a terraform stage of the file keeps its state by the same settings.
	Alike []string `json:"alike,omitempty"`
	// Skip, where set, is why this stage will not run, known before anything started.
	Skip string `json:"skip,omitempty"`
	// Hold, where set, is why this stage waits for a person before it may start (Run.Released).
	Hold string `json:"hold,omitempty"`
}

// Steps are how a stage is carried out.
type Steps string

// A stage of one step does its work when its needs have passed. One of two steps prepares (builds, plans, compares), which
// changes nothing, and later applies (publishes, applies).
const (
	OneStep Steps = ""
	// PrepareOnly carries out the first of two: a pull request.
	PrepareOnly Steps = "prepare"
	// PrepareThenApply carries out both.
	PrepareThenApply Steps = "prepare-apply"
)

// Phase is the step of a stage of two steps that an attempt is at.
type Phase string

// The phases; a stage of one step has none.
const (
	PhaseNone    Phase = ""
	PhasePrepare Phase = "prepare"
	PhaseApply   Phase = "apply"
	// PhaseRestore brings back what the environment ran before, since something that came after the change has failed.
	PhaseRestore Phase = "restore"
)

// Plan is what a trigger makes of a definition. Stages are in the file's order, legs of a matrix together.
type Plan struct {
	Name   string      `json:"name"`
	Source string      `json:"source"`
	Stages []StageSpec `json:"stages"`
	// Entries are the ways into the environments that its stages change; Environments are those that stages name.
	Entries      []Entry                 `json:"entries,omitempty"`
	Environments []EnvironmentDefinition `json:"environments,omitempty"`
	// Restores is the release that a rollback brings back.
	Restores *Release `json:"restores,omitempty"`
	// Notify is told of the run's end.
	Notify Notify `json:"notify,omitzero"`
}

// Run is one walk of a commit through a plan. The store holds it; GitHub mirrors it.
type Run struct {
	ID int64 `json:"id"`
	// Number counts within the repository, from 1.
	Number  int64   `json:"number"`
	Key     string  `json:"key"`
	Trigger Trigger `json:"trigger"`
	Name    string  `json:"name"`   // the pipeline's
	Source  string  `json:"source"` // of the definition
	Status  Status  `json:"status"`
	// Reason says why a run was cancelled: "superseded by run #13".
	Reason     string    `json:"reason,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Notify     Notify    `json:"notify,omitzero"`
	// Entries are its ways into environments, in the order of the file.
	Entries []Entry `json:"entries,omitempty"`
	// Environments are those its stages name, as they were when it was planned.
	Environments []EnvironmentDefinition `json:"environments,omitempty"`
	// Restores is the release that a rollback brings back.
	Restores *Release `json:"restores,omitempty"`
	// Released is the word that lets the stages with a Hold run; nil: they wait.
	Released *Word `json:"released,omitempty"`
	// Stages holds every attempt: in the plan's order, attempts of a stage in theirs.
	Stages []StageRun `json:"stages"`
}

// StageRun is one attempt of one planned stage.
type StageRun struct {
	ID    int64     `json:"id"`
	RunID int64     `json:"run_id"`
	Index int       `json:"index"` // place in the plan
	Spec  StageSpec `json:"spec"`
	// Attempt counts from 1; AttemptReason says why there is more than one.
	Attempt       int    `json:"attempt"`
	AttemptReason string `json:"attempt_reason,omitempty"`
	// Retries and Repairs count the automatic attempts since a person last asked: after failures (`retry`), after
	// failures of our surroundings.
	Retries int `json:"retries,omitempty"`
	Repairs int `json:"repairs,omitempty"`
	// Voids counts the attempts before it whose preparation did not hold until it was carried out.
	Voids int `json:"voids,omitempty"`
	// Phase is the step that a stage of two steps is at: its preparation, or, once that has passed, what it prepared for.
	Phase Phase `json:"phase,omitempty"`
	// Admitted: the gate let this attempt change its environment.
	Admitted bool `json:"admitted,omitempty"`
	// EntryNotes counts what was said about its entry, so that its check is shown again when something is.
	EntryNotes int `json:"entry_notes,omitempty"`
	// Release is the number of the release that its environment got from this run, on the last stage of it.
	Release int64 `json:"release,omitempty"`
	// Superseded: a later attempt exists; only the last one counts for the run.
	Superseded bool   `json:"superseded,omitempty"`
	Status     Status `json:"status"`
	// Reason is why it was skipped or cancelled.
	Reason string `json:"reason,omitempty"`
	// SkippedBy is the key of the needed stage that did not pass; a re-run of that one brings this one back.
	SkippedBy string `json:"skipped_by,omitempty"`
	// Cancel, where set, is the reason a running attempt was asked to stop.
	Cancel string `json:"cancel,omitempty"`
	// Progress is the live line while running.
	Progress   string    `json:"progress,omitempty"`
	Result     Result    `json:"result"`
	InputKey   string    `json:"input_key,omitempty"`
	Reused     *Reused   `json:"reused,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Version grows with every change; the mirror writes until it has shown the newest.
	Version int64 `json:"version"`
}

// Reused points to the attempt whose result this one took over.
type Reused struct {
	RunID     int64 `json:"run_id"`
	RunNumber int64 `json:"run_number"`
	StageID   int64 `json:"stage_id"`
	// Duration is what the original took.
	Duration time.Duration `json:"duration"`
}

// Result is what an attempt left behind.
type Result struct {
	Verdict   Verdict           `json:"verdict,omitzero"`
	Diagnosis *Diagnosis        `json:"diagnosis,omitempty"`
	Steps     []Step            `json:"steps,omitempty"`
	Sections  []Section         `json:"sections,omitempty"`
	Findings  []Finding         `json:"findings,omitempty"` // at most MaxFindings; FindingsDropped counts the rest
	Outputs   map[string]string `json:"outputs,omitempty"`
	Artifacts []Artifact        `json:"artifacts,omitempty"`
	// Parts are what the attempt fixed of a candidate.
	Parts []Part `json:"parts,omitempty"`
	// Private are files kept encrypted for the attempt's second step; nobody is shown them.
	Private []Artifact `json:"private,omitempty"`
	// LogLines is the number of its last line, PreparedSteps how many of its steps were those of its preparation.
	LogLines      int64 `json:"log_lines,omitempty"`
	PreparedSteps int   `json:"prepared_steps,omitempty"`
	// LogTail are the last lines, for the check's text.
	LogTail []string `json:"log_tail,omitempty"`

	FindingsDropped int `json:"findings_dropped,omitempty"`
}

// Bounds of a Result, so that one hostile report cannot fill the database.
const (
	MaxFindings = 1000
	MaxLogTail  = 200
	MaxSections = 100
	// MaxResultBytes bounds findings, sections and outputs together, MaxLogTailBytes the tail: every change of a run
	// reads all its results.
	MaxResultBytes  = 4 << 20
	MaxLogTailBytes = 256 << 10
)

// Diagnosis names a known failure: its cause in the user's terms and what to do about it.
type Diagnosis struct {
	// ID is stable: "pytest-not-found".
	ID    string `json:"id"`
	Cause string `json:"cause"`
	// Remedy is what to do, one step a line.
	Remedy []string `json:"remedy"`
	// Evidence is the line of the log that gave it away.
	Evidence string `json:"evidence,omitempty"`
}

// Duration of the work itself, zero while it has not started; up to now while it runs.
func (s StageRun) Duration(now time.Time) time.Duration {
	switch {
	case s.StartedAt.IsZero():
		return 0
	case s.FinishedAt.IsZero():
		return now.Sub(s.StartedAt)
	default:
		return s.FinishedAt.Sub(s.StartedAt)
	}
}

// Current returns the last attempt of every stage, in the plan's order.
func (r Run) Current() []StageRun {
	current := make([]StageRun, 0, len(r.Stages))
	for _, s := range r.Stages {
		if !s.Superseded {
			current = append(current, s)
		}
	}
	return current
}
