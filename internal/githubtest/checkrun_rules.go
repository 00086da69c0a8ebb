package githubtest

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// The Checks API's limits.
const (
	maxCheckText      = 65535
	maxAnnotations    = 50
	maxActions        = 3
	maxActionLabel    = 20
	maxActionDetail   = 40
	maxActionName     = 20
	maxAnnotationText = 64 << 10
	maxAnnotationName = 255
	maxCheckImages    = 100
)

var (
	ownStatuses      = []string{"queued", "in_progress", "completed"} //nolint:gochecknoglobals // a constant table; Go has no constant slices
	reservedStatuses = []string{"waiting", "requested", "pending"}    //nolint:gochecknoglobals // a constant table; Go has no constant slices
	conclusions      = []string{                                      //nolint:gochecknoglobals // a constant table; Go has no constant slices
		"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required",
	}
	annotationLevels = []string{"notice", "warning", "failure"} //nolint:gochecknoglobals // a constant table; Go has no constant slices
)

// checkRunRequest is the body of create and update. Pointers tell what was sent.
type checkRunRequest struct {
	Name        *string      `json:"name"`
	HeadSHA     *string      `json:"head_sha"`
	DetailsURL  *string      `json:"details_url"`
	ExternalID  *string      `json:"external_id"`
	Status      *string      `json:"status"`
	StartedAt   *time.Time   `json:"started_at"`
	Conclusion  *string      `json:"conclusion"`
	CompletedAt *time.Time   `json:"completed_at"`
	Output      *checkOutput `json:"output"`
	Actions     []Action     `json:"actions"`
}

type checkOutput struct {
	Title       *string      `json:"title"`
	Summary     *string      `json:"summary"`
	Text        *string      `json:"text"`
	Annotations []Annotation `json:"annotations"`
	Images      []struct {
		Alt      string `json:"alt"`
		ImageURL string `json:"image_url"`
		Caption  string `json:"caption"`
	} `json:"images"`
}

// problem is the first thing of a request GitHub would refuse, in its words; empty: none.
func (q checkRunRequest) problem() string {
	if q.Status != nil && !slices.Contains(ownStatuses, *q.Status) {
		if slices.Contains(reservedStatuses, *q.Status) {
			return fmt.Sprintf("The status %q is reserved for GitHub Actions.", *q.Status)
		}
		return fmt.Sprintf("For 'properties/status', %q is not a possible value.", *q.Status)
	}
	if q.Conclusion != nil && !slices.Contains(conclusions, *q.Conclusion) {
		return fmt.Sprintf("For 'properties/conclusion', %q is not a possible value.", *q.Conclusion)
	}
	if q.Status != nil && *q.Status == "completed" && q.Conclusion == nil {
		return `"conclusion" wasn't supplied, although the status is "completed".`
	}
	if p := q.Output.problem(); p != "" {
		return p
	}
	return actionsProblem(q.Actions)
}

func actionsProblem(actions []Action) string {
	if len(actions) > maxActions {
		return fmt.Sprintf("No more than %d items are allowed; %d were supplied.", maxActions, len(actions))
	}
	for _, a := range actions {
		if a.Label == "" || a.Description == "" || a.Identifier == "" {
			return `"label", "description", "identifier" weren't supplied.`
		}
		for text, limit := range map[string]int{a.Label: maxActionLabel, a.Description: maxActionDetail, a.Identifier: maxActionName} {
			if p := tooLong(text, limit); p != "" {
				return p
			}
		}
	}
	return ""
}

func tooLong(text string, limit int) string {
	if n := runes(text); n > limit {
		return fmt.Sprintf("Only %d characters are allowed; %d were supplied.", limit, n)
	}
	return ""
}

func (o *checkOutput) problem() string {
	if o == nil {
		return ""
	}
	if o.Title == nil || o.Summary == nil || *o.Title == "" {
		return `"title", "summary" weren't supplied.`
	}
	for _, text := range []*string{o.Summary, o.Text} {
		if text == nil {
			continue
		}
		if p := tooLong(*text, maxCheckText); p != "" {
			return p
		}
		if len(*text) > 4*maxCheckText || !utf8.ValidString(*text) {
			return "The text is not valid UTF-8."
		}
	}
	if len(o.Annotations) > maxAnnotations {
		return fmt.Sprintf("No more than %d items are allowed; %d were supplied.", maxAnnotations, len(o.Annotations))
	}
	if len(o.Images) > maxCheckImages {
		return fmt.Sprintf("No more than %d images are allowed.", maxCheckImages)
	}
	for _, a := range o.Annotations {
		if p := a.problem(); p != "" {
			return p
		}
	}
	return ""
}

func (a Annotation) problem() string {
	switch {
	case a.Path == "" || a.StartLine == 0 || a.EndLine == 0 || a.Message == "" || a.Level == "":
		return `"path", "start_line", "end_line", "annotation_level" or "message" wasn't supplied.`
	case !slices.Contains(annotationLevels, a.Level):
		return fmt.Sprintf("For 'properties/annotation_level', %q is not a possible value.", a.Level)
	case a.StartLine < 0 || a.EndLine < a.StartLine:
		return "'end_line' must not be before 'start_line'."
	case (a.StartColumn != nil || a.EndColumn != nil) && a.StartLine != a.EndLine:
		return "Columns are only allowed when 'start_line' and 'end_line' are the same."
	case len(a.Message) > maxAnnotationText || len(a.RawDetails) > maxAnnotationText:
		return "Annotation messages and details are limited to 64 KB."
	}
	return tooLong(a.Title, maxAnnotationName)
}
