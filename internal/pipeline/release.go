package pipeline

import (
	"fmt"
	"time"
)

// Release is the record of a candidate that entered an environment and passed there. It never changes.
type Release struct {
	RepositoryID int64  `json:"repository_id"`
	Environment  string `json:"environment"`
	// Number counts within the environment, from 1.
	Number int64  `json:"number"`
	Action Action `json:"action"`
	// Of is the number of the release that a rollback brought back.
	Of        int64  `json:"of,omitempty"`
	RunID     int64  `json:"run_id"`
	RunNumber int64  `json:"run_number"`
	Commit    string `json:"commit"`
	Base      string `json:"base,omitempty"`
	// Ref and Branch are how the commit was fetched, and by which branch it entered.
	Ref         string `json:"ref"`
	Branch      string `json:"branch"`
	PullRequest int    `json:"pull_request,omitempty"`
	Title       string `json:"title,omitempty"` // hostile text
	Parts       []Part `json:"parts,omitempty"`
	// Configuration and Fingerprint are the candidate's.
	Configuration string     `json:"configuration"`
	Fingerprint   string     `json:"fingerprint"`
	Actor         string     `json:"actor"`
	Approvals     []Approval `json:"approvals,omitempty"`
	// Outputs are those of the stages before the environment's own, as variables: a rollback gives them again.
	Outputs map[string]string `json:"outputs,omitempty"`
	// Infrastructure are the outputs of the environment's terraform stages, by their ids: what it had when the release was
	// made. A rollback that leaves the infrastructure as it is gives those of the release that runs.
	Infrastructure map[string]map[string]string `json:"infrastructure,omitempty"`
	// Files names what is kept with the release, such as its manifests (ReleaseFile).
	Files     []string  `json:"files,omitempty"`
	EnteredAt time.Time `json:"entered_at"`
	At        time.Time `json:"at"`
}

// Images are the release's images by the id of the stage that built them.
func (r Release) Images() map[string]string { return Candidate{Parts: r.Parts}.Images() }

// Part finds a part's value; empty: it has none.
func (r Release) Part(kind PartKind, name string) string {
	return Candidate{Parts: r.Parts}.part(partName{kind, name})
}

// ReleaseFile is a file kept with a release: what a rollback applies again.
type ReleaseFile struct {
	Name    string
	Content []byte
}

// ReleaseFilter selects releases; they come newest first.
type ReleaseFilter struct {
	RepositoryID int64
	// Environment, where set, is the only one.
	Environment string
	// Before is a release number: only older ones. It goes with Environment.
	Before int64
	// Limit defaults to 50.
	Limit int
}

// EnvironmentState is what is true of an environment beside its rules: who is in it, who waits, what closes it.
type EnvironmentState struct {
	RepositoryID int64  `json:"repository_id"`
	Name         string `json:"name"`
	// Holder is the run that changes it; nil: it is free.
	Holder *Place `json:"holder,omitempty"`
	// Queue are the runs that may enter and wait for their turn, first come first.
	Queue []Place `json:"queue,omitempty"`
	// Lock closes it until somebody opens it.
	Lock *Lock `json:"lock,omitempty"`
	// Hold keeps automatic deploys out after a rollback, until a /deploy or /unlock.
	Hold *Lock `json:"hold,omitempty"`
	// Release is the number of the release it runs now; 0: none of ours.
	Release int64 `json:"release,omitempty"`
}

// Place is a run in or before an environment.
type Place struct {
	RunID     int64     `json:"run_id"`
	RunNumber int64     `json:"run_number"`
	Since     time.Time `json:"since"`
}

// Lock is somebody's word that an environment is closed.
type Lock struct {
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"` // hostile text
	At     time.Time `json:"at"`
}

// AuditRecord is one decision: who wanted what, whether it was allowed, and why.
type AuditRecord struct {
	ID         int64     `json:"id"`
	At         time.Time `json:"at"`
	Repository string    `json:"repository"`
	// RepositoryID stays when the repository is renamed.
	RepositoryID int64  `json:"repository_id"`
	Environment  string `json:"environment,omitempty"`
	// Actor is a login, or "slipway" for what the gate decided by itself.
	Actor string `json:"actor"`
	// Action is what was asked: "deploy", "approve", "enter", "release".
	Action      string `json:"action"`
	Allowed     bool   `json:"allowed"`
	Why         string `json:"why"`
	Via         string `json:"via,omitempty"` // comment, button, page, push
	RunID       int64  `json:"run_id,omitempty"`
	RunNumber   int64  `json:"run_number,omitempty"`
	PullRequest int    `json:"pull_request,omitempty"`
	Commit      string `json:"commit,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Release     int64  `json:"release,omitempty"`
	// Cause names what brought it about, so that it is recorded once: a comment's or delivery's identity.
	Cause string `json:"cause,omitempty"`
}

// AuditFilter selects records; they come newest first.
type AuditFilter struct {
	RepositoryID int64
	Environment  string
	// Since leaves out earlier ones.
	Since time.Time
	// Before is a record's ID: only older ones.
	Before int64
	// Limit defaults to 100; negative: all.
	Limit int
}

// PushRecord is who pushed a commit, and when: neither a commit nor a pull request tells.
type PushRecord struct {
	RepositoryID int64
	SHA          string
	// Ref is refs/heads/NAME, refs/pull/N/head where a pull request told it, or MergeRef of what it was merged as.
	Ref    string
	Before string
	By     string
	// At is by GitHub's clock. Again is when it was pushed there last, after something else; zero: it was not.
	At, Again time.Time
}

const mergeRef = "refs/pull/%d/merge"

// MergeRef is under which name it is noted what a pull request was merged as.
func MergeRef(pullRequest int) string { return fmt.Sprintf(mergeRef, pullRequest) }

// MergedAs is the pull request of a MergeRef; 0: it is another ref.
func MergedAs(ref string) int {
	var number int
	if _, err := fmt.Sscanf(ref, mergeRef, &number); err != nil || MergeRef(number) != ref {
		return 0
	}
	return number
}
