package pipeline

import (
	"encoding/json"
	"time"
)

// Task is everything a runner needs to carry out one attempt of one stage, except secrets, which travel apart
// (see Secrets) so that a task may be stored and shown.
type Task struct {
	// ID is unique per attempt and safe as a file name: "r12-s34-a1".
	ID    string    `json:"id"`
	Stage StageSpec `json:"stage"`
	// Trigger is the run's.
	Trigger   Trigger `json:"trigger"`
	RunNumber int64   `json:"run_number"`
	Attempt   int     `json:"attempt"`
	// Phase is the step to carry out of a stage of two steps; empty for a stage of one.
	Phase  Phase  `json:"phase,omitempty"`
	Source Source `json:"source"`
	// Environment is the stage's: where its cluster and accounts are; nil: it has none.
	Environment *EnvironmentDefinition `json:"environment,omitempty"`
	// Action is what is done to the environment, for a stage that has one.
	Action Action `json:"action,omitempty"`
	// Because is why it is to bring back what ran before: "smoke-tests (production) failed".
	Because string `json:"because,omitempty"`
	// Parts are what the attempt's own preparation fixed, when it applies: nothing else may be applied.
	Parts []Part `json:"parts,omitempty"`
	// Images are the published images, "registry/repository@sha256:…", by the id of the stage that built them.
	Images map[string]string `json:"images,omitempty"`
	// Running are the images of this stage that environments run now, by the environment's name.
	Running map[string]string `json:"running,omitempty"`
	// Restores is the release that a rollback brings back; its files are in Secrets.Files.
	Restores *Release `json:"restores,omitempty"`
	// Current is the release that the environment runs now; nil: none of ours. A stage that applies has its files too, in
	// Secrets.Files below CurrentFiles.
	Current *Release `json:"current,omitempty"`
	// Env is what contract 11.4 promises (CI, SLIPWAY_…) and the outputs of earlier stages, without secrets.
	Env map[string]string `json:"env"`
	// CacheScope separates caches: "owner/repo" for trusted commits; untrusted ones get an empty cache that is thrown away.
	CacheScope string `json:"cache_scope"`
	// CacheWritable: what the stage leaves in its caches may be used by later runs.
	CacheWritable bool `json:"cache_writable"`
	// Grace is how long an interrupted tool may take before it is killed.
	Grace time.Duration `json:"grace"`
	// MaxLogBytes bounds the log; what comes after is dropped and said so.
	MaxLogBytes int64 `json:"max_log_bytes"`
}

// Source is where the stage's files come from; exactly one of Git and Directory is set.
type Source struct {
	Git       *GitSource `json:"git,omitempty"`
	Directory string     `json:"directory,omitempty"` // a person's own checkout: copied, never worked in
}

// GitSource is one commit of a repository.
type GitSource struct {
	CloneURL string `json:"clone_url"`
	Ref      string `json:"ref"`
	SHA      string `json:"sha"`
	// BaseSHA, where set, is fetched too, so that the changed lines are known.
	BaseSHA    string `json:"base_sha,omitempty"`
	Submodules bool   `json:"submodules,omitempty"`
	LFS        bool   `json:"lfs,omitempty"`
}

// Secrets travel from the bot to one runner and are never stored.
type Secrets struct {
	// Env are the secrets the stage names, by name.
	Env map[string]string `json:"env,omitempty"`
	// GitToken fetches the one repository, read-only; it never reaches the repository's own code.
	GitToken string `json:"git_token,omitempty"`
	// Files are what the attempt's preparation kept (Session.KeepPrivate), the files of the release of a rollback, and those
	// of the release that the environment runs (CurrentFiles), by name.
	Files map[string][]byte `json:"files,omitempty"`
}

// CurrentFiles heads the names of files of the release that the environment runs.
const CurrentFiles = "current/"

// StageEventType tells which field of an event is set.
type StageEventType string

// The events of a runner. Every stream ends with exactly one verdict.
const (
	StageEventLog      StageEventType = "log"
	StageEventStep     StageEventType = "step"
	StageEventProgress StageEventType = "progress"
	StageEventSection  StageEventType = "section"
	StageEventFinding  StageEventType = "finding"
	StageEventOutput   StageEventType = "output"
	StageEventArtifact StageEventType = "artifact"
	// StageEventPart fixes a part of the candidate.
	StageEventPart StageEventType = "part"
	// StageEventPrivate is a file for the second step of the attempt.
	StageEventPrivate StageEventType = "private"
	StageEventVerdict StageEventType = "verdict"
)

// StageEvent is one thing a runner tells, as one line of JSON. Values are already masked.
type StageEvent struct {
	// Seq counts from 1 without a gap within a task.
	Seq      int64             `json:"seq"`
	Time     time.Time         `json:"time"`
	Type     StageEventType    `json:"type"`
	Log      *LogLine          `json:"log,omitempty"`
	Step     *Step             `json:"step,omitempty"`
	Progress string            `json:"progress,omitempty"` // one line: what is going on now
	Section  *Section          `json:"section,omitempty"`
	Finding  *Finding          `json:"finding,omitempty"`
	Output   map[string]string `json:"output,omitempty"`
	Artifact *Artifact         `json:"artifact,omitempty"`
	Part     *Part             `json:"part,omitempty"`
	Private  *Artifact         `json:"private,omitempty"`
	Verdict  *Verdict          `json:"verdict,omitempty"`
}

// LogLine is one line without its newline, at most 16 KiB, valid UTF-8.
type LogLine struct {
	Step string `json:"step,omitempty"`
	Text string `json:"text"`
}

// Step is a part of a stage that takes time: told when it starts and again, by the same name, when it ends.
type Step struct {
	Name   string `json:"name"`
	Status Status `json:"status"` // running, success, failure, skipped
	// Detail is one short remark: "31 packages, from cache".
	Detail     string    `json:"detail,omitempty"`
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// Section is a part of a stage's summary. The renderers (check, page, terminal) escape what needs it: all text is hostile.
type Section struct {
	Title string `json:"title"`
	// Text is plain text; paragraphs are separated by an empty line.
	Text  string `json:"text,omitempty"`
	Table *Table `json:"table,omitempty"`
	// Code is shown verbatim in a fence.
	Code string `json:"code,omitempty"`
	// Markdown is written by the repository's own commands ($SLIPWAY_SUMMARY); shown as Markdown, mentions broken.
	Markdown string `json:"markdown,omitempty"`
	// Folded: long and rarely read; behind a fold where the medium has one.
	Folded bool `json:"folded,omitempty"`
}

// Table has plain-text cells; a row has as many cells as there are columns.
type Table struct {
	Columns []Column   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// Column is a heading; Right aligns numbers.
type Column struct {
	Name  string `json:"name"`
	Right bool   `json:"right,omitempty"`
}

// Level is how a finding is shown: GitHub's annotation levels.
type Level string

// GitHub's three levels.
const (
	LevelNotice  Level = "notice"
	LevelWarning Level = "warning"
	LevelFailure Level = "failure"
)

// Severity is how bad a security finding is, for `fail-on`.
type Severity string

// In rising order; SeverityNone is a remark.
const (
	SeverityNone     Severity = "none"
	SeverityLow      Severity = "low"
	SeverityMedium   Severity = "medium"
	SeverityHigh     Severity = "high"
	SeverityCritical Severity = "critical"
)

// Finding is something a tool says about a place. Without Path it is listed in the summary only.
type Finding struct {
	Tool     string   `json:"tool"`
	Rule     string   `json:"rule,omitempty"`
	Path     string   `json:"path,omitempty"` // relative to the checkout, slashes
	Line     int      `json:"line,omitempty"` // from 1
	EndLine  int      `json:"end_line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Level    Level    `json:"level"`
	Severity Severity `json:"severity,omitempty"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Details  string   `json:"details,omitempty"` // a stack trace, shown on demand
	URL      string   `json:"url,omitempty"`
}

// Artifact is a file kept for 90 days. Path is where the runner left it; the bot moves it into its artifact store.
type Artifact struct {
	Name  string `json:"name"` // unique in the attempt, may hold slashes
	Path  string `json:"path,omitempty"`
	Bytes int64  `json:"bytes"`
}

// Verdict ends a task.
type Verdict struct {
	// Status is success, failure, neutral, skipped, cancelled or timed_out.
	Status Status `json:"status"`
	// Title is one line with figures: "412 tests, 3 failed, coverage 86.4 %".
	Title string `json:"title"`
	// Cause, on anything but success, is one or two sentences: what happened and where.
	Cause string `json:"cause,omitempty"`
	// Infrastructure: not the commit's fault but our surroundings' (a fetch that failed); the engine tries again.
	Infrastructure bool `json:"infrastructure,omitempty"`
	// Void, where set, is why what was prepared is not what would be done any more ("the state changed since"): the second
	// step changed nothing, and what was decided on is decided on anew.
	Void string `json:"void,omitempty"`
	// ExitCode and Signal of the command that decided, where one did.
	ExitCode int    `json:"exit_code,omitempty"`
	Signal   string `json:"signal,omitempty"`
}

// Settings decodes the stage's `with` into a kind's own settings type.
func (t Task) Settings(into any) error {
	if len(t.Stage.With) == 0 {
		return nil
	}
	return json.Unmarshal(t.Stage.With, into)
}
