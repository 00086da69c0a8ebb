package checks

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// GitHub's limits on a Check Run: https://docs.github.com/rest/checks/runs. Texts are measured in bytes, which is never less
// than what GitHub counts.
const (
	maxTitle             = 250
	maxText              = 65_535
	maxAnnotationTitle   = 255
	maxAnnotationMessage = 64 << 10
	maxAnnotationDetails = 64 << 10
	maxPath              = 4096
	// annotationsPerRequest is GitHub's; a PATCH appends.
	annotationsPerRequest = 50
	// maxAnnotations bounds what one attempt spends on them: ten requests.
	maxAnnotations = 500
)

// GitHub's statuses and the one conclusion that is not a status of ours.
const (
	statusQueued     = "queued"
	statusInProgress = "in_progress"
	statusCompleted  = "completed"

	conclusionActionRequired = "action_required"
)

// Check is a Check Run as it is to be seen.
type Check struct {
	Name       string
	HeadSHA    string
	DetailsURL string
	ExternalID string
	Status     string
	// Conclusion is set exactly when Status is completed.
	Conclusion string
	// StartedAt and CompletedAt are those of the work; zero: not yet, or nothing was worked.
	StartedAt   time.Time
	CompletedAt time.Time
	Title       string
	Summary     string
	Text        string
	Annotations []Annotation
	Actions     []Action
}

// Annotation is a remark on lines of a file.
type Annotation struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	StartColumn int    `json:"start_column,omitempty"`
	EndColumn   int    `json:"end_column,omitempty"`
	Level       string `json:"annotation_level"`
	Message     string `json:"message"`
	Title       string `json:"title,omitempty"`
	RawDetails  string `json:"raw_details,omitempty"`
}

// Action is a button. GitHub sends its Identifier back in check_run.requested_action.
type Action struct {
	Label       string `json:"label"`       // at most 20 characters
	Description string `json:"description"` // at most 40
	Identifier  string `json:"identifier"`  // at most 20
}

// The identifiers of the buttons.
const (
	// ActionRetry is on a failed check.
	ActionRetry = "retry"
	// ActionApprove and ActionReject are on a check that waits for approvals. The beginning of the candidate's fingerprint
	// follows ActionApprove, after a hyphen.
	ActionApprove = "approve"
	ActionReject  = "reject"
	// ActionRollback is on the check of a release.
	ActionRollback = "rollback"
)

const externalPrefix = "slipway/"

// ExternalID marks the Check Run of a stage attempt, so that it is recognised whatever its name.
func ExternalID(stageRunID int64) string {
	return externalPrefix + strconv.FormatInt(stageRunID, 10)
}

// ParseExternalID finds the stage attempt of a Check Run; false for one that is not ours.
func ParseExternalID(externalID string) (stageRunID int64, ok bool) {
	digits, ours := strings.CutPrefix(externalID, externalPrefix)
	if !ours {
		return 0, false
	}
	id, err := strconv.ParseInt(digits, 10, 64)
	return id, err == nil && id > 0 && digits == fmt.Sprint(id)
}
