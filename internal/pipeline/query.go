package pipeline

// RunFilter selects runs for listings; zero fields do not filter. Runs come newest first.
type RunFilter struct {
	RepositoryID int64
	Owner, Name  string
	Branch       string
	SHA          string
	PullRequest  int
	// Environment selects the runs with an entry into it, however its name is spelled.
	Environment string
	Event       Event
	Status      Status
	OpenOnly    bool
	// Before is a run ID: only older ones, for the next page.
	Before int64
	// Limit defaults to 50.
	Limit int
}

// Mirror is what GitHub is known to show of a stage attempt. It lives beside the attempt in the store; package checks
// writes it.
type Mirror struct {
	StageRunID int64
	// CheckRunID is GitHub's; 0 until created.
	CheckRunID int64
	// Creating: a create was begun and its answer not yet recorded; GitHub must be asked before another is begun.
	Creating bool
	// Version is the attempt's version that GitHub shows.
	Version int64
	// Annotations is how many findings GitHub has of it; a PATCH appends.
	Annotations int
	// GaveUp: GitHub refused for good (repository gone, permission taken away); why.
	GaveUp string
}

// DeploymentMirror is what GitHub is known to show of a run's entry into an environment: its Deployment and the last
// status of it. It lives beside the entry in the store.
//
// Run, environment and turn name it. A stage that is run again after its entry has ended opens the entry again, which is
// another deployment: Entry.Turn counts that. EnteredAt would not do, for a deployment is pending before anything enters,
// and neither would the attempts of stages, of which one entry may have many.
type DeploymentMirror struct {
	RunID       int64
	Environment string
	// Turn is the entry's.
	Turn int
	// DeploymentID is GitHub's; 0 until created.
	DeploymentID int64
	// Creating: a create was begun and its answer not yet recorded; GitHub must be asked before another is begun.
	Creating bool
	// State is the status that GitHub shows last: "pending", "in_progress", "success", "failure", "inactive".
	State string
	// Answered is what whoever asked for the deploy was told of its end last: the reaction to their comment.
	Answered string
	// GaveUp: GitHub refused for good (repository gone, permission taken away); why.
	GaveUp string
}

// Sticky is the one comment on a pull request that shows where it stands.
type Sticky struct {
	RepositoryID int64
	PullRequest  int
	// CommentID is GitHub's; 0 until created.
	CommentID int64
	// Shown is the hash of the body that GitHub shows.
	Shown string
}
