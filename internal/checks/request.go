package checks

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// request is the body of creating and of updating a Check Run. go-github's update lacks started_at, without which the time in
// the queue would count as work.
type request struct {
	Name        string     `json:"name"`
	HeadSHA     string     `json:"head_sha,omitempty"` // create only
	DetailsURL  string     `json:"details_url,omitempty"`
	ExternalID  string     `json:"external_id"`
	Status      string     `json:"status"`
	Conclusion  string     `json:"conclusion,omitempty"`
	StartedAt   *time.Time `json:"started_at,omitempty"`
	CompletedAt *time.Time `json:"completed_at,omitempty"`
	Output      output     `json:"output"`
	// Actions that are empty but not nil take away those that were there.
	Actions []Action `json:"actions,omitzero"`
}

type output struct {
	Title       string       `json:"title"`
	Summary     string       `json:"summary"`
	Text        string       `json:"text,omitempty"`
	Annotations []Annotation `json:"annotations,omitempty"`
}

// written is what is read of GitHub's answer.
type written struct {
	ID         int64  `json:"id"`
	ExternalID string `json:"external_id"`
	Output     struct {
		AnnotationsCount int `json:"annotations_count"`
	} `json:"output"`
}

// detail says how much of a check is sent: when GitHub refuses a report as malformed, the verdict still has to get through.
type detail int

const (
	detailFull detail = iota
	detailWithoutAnnotations
	detailBare
	detailNothingHelps
)

// newRequest makes the body with the annotations from the given one on, as many as one request may carry.
func newRequest(c Check, from int, how detail) request {
	r := request{
		Name: c.Name, DetailsURL: c.DetailsURL, ExternalID: c.ExternalID, Status: c.Status, Conclusion: c.Conclusion,
		StartedAt: moment(c.StartedAt), CompletedAt: moment(c.CompletedAt), Actions: c.Actions,
		Output: output{Title: c.Title, Summary: c.Summary, Text: c.Text},
	}
	switch how {
	case detailFull:
		r.Output.Annotations = batch(c.Annotations, from)
	case detailWithoutAnnotations:
	default:
		r.Output = output{Title: c.Title, Summary: "GitHub did not accept this check's report. " + link("It is on the run's page", c.DetailsURL) + "."}
	}
	return r
}

// maxBatchBytes keeps a request with huge messages from being refused as a whole.
const maxBatchBytes = 512 << 10

func batch(all []Annotation, from int) []Annotation {
	rest := all[min(from, len(all)):]
	rest = rest[:min(len(rest), annotationsPerRequest)]
	size := 0
	for i, a := range rest {
		size += len(a.Message) + len(a.RawDetails) + len(a.Path)
		if i > 0 && size > maxBatchBytes {
			return rest[:i]
		}
	}
	return rest
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// fingerprint tells whether two requests show the same, annotations apart.
func (r request) fingerprint() (uint64, error) {
	r.Output.Annotations = nil
	data, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	h := fnv.New64a()
	if _, err := h.Write(data); err != nil {
		return 0, err
	}
	return h.Sum64(), nil
}

// wire sends requests about one repository's checks.
type wire struct {
	client     *github.Client
	repository pipeline.Repository
	appID      int64
}

func (w wire) path(rest string) string {
	return fmt.Sprintf("repos/%s/%s/%s", w.repository.Owner, w.repository.Name, rest)
}

func (w wire) call(ctx context.Context, method, path string, body, into any) error {
	req, err := w.client.NewRequest(method, path, body)
	if err != nil {
		return err
	}
	_, err = w.client.Do(ctx, req, into)
	return err
}

func (w wire) create(ctx context.Context, r request) (written, error) {
	var answer written
	err := w.call(ctx, http.MethodPost, w.path("check-runs"), r, &answer)
	return answer, err
}

func (w wire) update(ctx context.Context, checkRunID int64, r request) error {
	return w.call(ctx, http.MethodPatch, w.path(fmt.Sprintf("check-runs/%d", checkRunID)), r, nil)
}

func (w wire) get(ctx context.Context, checkRunID int64) (written, error) {
	var answer written
	err := w.call(ctx, http.MethodGet, w.path(fmt.Sprintf("check-runs/%d", checkRunID)), nil, &answer)
	return answer, err
}

// list finds all checks of a commit that are ours, by their external ID.
func (w wire) list(ctx context.Context, sha string) (map[string]written, error) {
	found := map[string]written{}
	const size = 100
	for page := 1; ; page++ {
		path := w.path(fmt.Sprintf("commits/%s/check-runs?filter=all&per_page=%d&page=%d", sha, size, page))
		if w.appID != 0 {
			path += fmt.Sprintf("&app_id=%d", w.appID)
		}
		var answer struct {
			CheckRuns []written `json:"check_runs"`
		}
		if err := w.call(ctx, http.MethodGet, path, nil, &answer); err != nil {
			return nil, fmt.Errorf("list the checks of %s: %w", sha, err)
		}
		for _, c := range answer.CheckRuns {
			found[c.ExternalID] = c
		}
		if len(answer.CheckRuns) < size {
			return found, nil
		}
	}
}
