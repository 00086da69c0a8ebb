package pipeline

import (
	"fmt"
	"time"
)

// Event says what kind of happening started a run; it is the CEL variable `event`.
type Event string

// The events of contract 5 and 6.
const (
	EventPush        Event = "push"
	EventPullRequest Event = "pull_request"
	EventMergeGroup  Event = "merge_group"
	EventDeploy      Event = "deploy"
	EventSchedule    Event = "schedule"
)

// Repository is a repository as its events name it.
type Repository struct {
	ID             int64  `json:"id"`
	Owner          string `json:"owner"`
	Name           string `json:"name"`
	DefaultBranch  string `json:"default_branch"`
	InstallationID int64  `json:"installation_id"`
	Private        bool   `json:"private,omitempty"`
	// CloneURL is the https address without credentials.
	CloneURL string `json:"clone_url"`
}

// FullName is owner/name.
func (r Repository) FullName() string { return r.Owner + "/" + r.Name }

// Trigger is why a run exists: small, immutable, complete before anything is planned.
type Trigger struct {
	Event      Event      `json:"event"`
	Repository Repository `json:"repository"`
	// SHA is the commit the run is for, 40 hexadecimal digits. It never changes: a branch that moves makes a new trigger.
	SHA string `json:"sha"`
	// Ref is what is fetched to have the commit: refs/heads/main, refs/pull/7/head, refs/heads/gh-readonly-queue/….
	Ref string `json:"ref"`
	// Branch is the pushed branch, or the head branch of the pull request.
	Branch string `json:"branch"`
	// Base is the branch a pull request or merge group wants to enter; empty for a push.
	Base    string `json:"base,omitempty"`
	BaseSHA string `json:"base_sha,omitempty"`
	// Before is what the branch, or the pull request's head, held before the push; empty where it is new.
	Before      string   `json:"before,omitempty"`
	PullRequest int      `json:"pull_request,omitempty"`
	Labels      []string `json:"labels,omitempty"`
	// Fork: the commit comes from another repository; it runs without secrets and leaves no shared cache behind.
	Fork  bool   `json:"fork,omitempty"`
	Actor string `json:"actor"`
	// Title is the pull request's title or the first line of the commit's message. Hostile text.
	Title string `json:"title,omitempty"`
	// Skip is why nothing is to run ("[skip ci] in the commit message"); the planned checks conclude skipped with it.
	Skip string `json:"skip,omitempty"`
	// Fresh: a person asked for everything to run again; passed stages of the same inputs are not reused.
	Fresh bool `json:"fresh,omitempty"`
	// Again: the commit came back after its run had been cancelled; set by Submit. Passed stages are reused.
	Again bool `json:"again,omitempty"`
	// Deploy is what a person asked for; set exactly for EventDeploy.
	Deploy *Deploy `json:"deploy,omitempty"`
	// Schedule is what time asked for; set exactly for EventSchedule.
	Schedule *Schedule `json:"schedule,omitempty"`
	// At is when it happened by GitHub's clock, which tells the newer of two deliveries; zero where it is not told.
	At time.Time `json:"at,omitzero"`
	// Delivery is the GUID of the webhook delivery, or another name for the one cause, for logs and for Key of re-runs.
	Delivery   string    `json:"delivery,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
}

// Action is what a person wants done to an environment.
type Action string

// The actions.
const (
	ActionDeploy   Action = "deploy"
	ActionPlan     Action = "plan"
	ActionRollback Action = "rollback"
	ActionDestroy  Action = "destroy"
)

// Deploy is what a person asked for in a comment, with a button or on the page.
type Deploy struct {
	Environment string `json:"environment"`
	Action      Action `json:"action"`
	// Release is the number of the release that a rollback brings back.
	Release int64 `json:"release,omitempty"`
	// Infra: the rollback brings back the infrastructure, too.
	Infra bool `json:"infra,omitempty"`
	// Pinned: the commit is the head of an open pull request; when that moves, the wish is void.
	Pinned bool `json:"pinned,omitempty"`
	// Comment is the one that is answered when it has ended; 0: there is none.
	Comment int64 `json:"comment,omitempty"`
}

// Schedule is a look at an environment that the clock asked for: how far what is there has drifted from its configuration.
type Schedule struct {
	Environment string `json:"environment"`
	// Due is the time of the file that it was due at.
	Due time.Time `json:"due"`
}

// Key names the run this trigger asks for: two triggers of one key are one run, however often GitHub tells it.
func (t Trigger) Key() string {
	if t.Deploy != nil {
		return fmt.Sprintf("%d/%s/%s/%s@%s#%s", t.Repository.ID, t.Event, t.Deploy.Environment, t.Deploy.Action, t.SHA, t.Delivery)
	}
	if t.Schedule != nil {
		return t.scheduleKey()
	}
	key := fmt.Sprintf("%d/%s/%s@%s", t.Repository.ID, t.Event, t.Ref, t.SHA)
	if t.Base != "" {
		key += ">" + t.Base
	}
	if t.Fresh || t.Again {
		key += "#" + t.Delivery
	}
	return key
}

// scheduleKey: one look for each time that was due, whatever the branch holds by then.
func (t Trigger) scheduleKey() string {
	key := fmt.Sprintf("%s@%d", t.Group(), t.Schedule.Due.Unix())
	if t.Fresh || t.Again {
		key += "#" + t.Delivery
	}
	return key
}

// Group names the runs of which a newer one supersedes the older: those of one event on one ref. What a person asked for
// is superseded by nothing: it waits for its turn.
func (t Trigger) Group() string {
	if t.Deploy != nil {
		return t.Key()
	}
	if t.Schedule != nil {
		return fmt.Sprintf("%d/%s/%s", t.Repository.ID, t.Event, t.Schedule.Environment)
	}
	return fmt.Sprintf("%d/%s/%s", t.Repository.ID, t.Event, t.Ref)
}

// Enters is the branch by which the commit would enter an environment: the one a pull request or merge group wants to
// enter, else the pushed one.
func (t Trigger) Enters() string {
	if t.Base != "" {
		return t.Base
	}
	return t.Branch
}

// Trusted reports whether the commit was pushed by someone who may push to the repository itself.
func (t Trigger) Trusted() bool { return !t.Fork }
