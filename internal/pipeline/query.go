package pipeline

// RunFilter selects runs for listings; zero fields do not filter. Runs come newest first.
type RunFilter struct {
	RepositoryID int64
	Owner, Name  string
	Branch       string
	SHA          string
	PullRequest  int
	// Environment selects the runs with an entry into it.
	Environment string
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
