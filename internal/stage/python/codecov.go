package python

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

const (
	codecovToken   = "CODECOV_TOKEN" //nolint:gosec // a name, not a value
	codecovDefault = "https://codecov.io"
	codecovTimeout = 60 * time.Second
	maxAnswer      = 64 << 10
)

// codecov uploads the coverage report. Whatever comes of it, the stage's verdict stays.
func (a *attempt) codecov(ctx context.Context, result outcome) {
	if !a.settings.Codecov || result.coverage == nil {
		return
	}
	err := a.s.Step(ctx, "Upload coverage to Codecov", func(ctx context.Context) (string, error) {
		page, err := a.upload(ctx, *result.coverage)
		if err == nil {
			a.s.Section(pipeline.Section{Title: "Codecov", Text: "The coverage report is at " + page})
		}
		return page, err
	})
	if err == nil {
		return
	}
	text := "The coverage report could not be uploaded to Codecov: " + err.Error() + ". This does not fail the stage."
	a.s.Log(text)
	a.s.Section(pipeline.Section{Title: "Codecov", Text: text})
}

// upload speaks the protocol of Codecov's uploader (https://github.com/codecov/uploader): a POST to /upload/v4 answers
// with two lines, the page of the report and a signed address, to which the reports are PUT.
func (a *attempt) upload(ctx context.Context, coverage report.Coverage) (page string, err error) {
	ctx, cancel := context.WithTimeout(ctx, codecovTimeout)
	defer cancel()
	token, _ := a.s.Secret(codecovToken)
	if token == "" && a.s.Task().Trigger.Repository.Private {
		return "", fmt.Errorf("the stage has no secret %s, which a private repository needs", codecovToken)
	}
	body, err := a.payload(coverage)
	if err != nil {
		return "", err
	}
	answer, err := a.request(ctx, http.MethodPost, a.codecovAddress(), nil, map[string]string{
		"X-Upload-Token": token, "X-Reduced-Redundancy": "false", "Accept": "text/plain",
	})
	if err != nil {
		return "", fmt.Errorf("ask for an address: %w", err)
	}
	lines := strings.Fields(answer)
	if len(lines) != 2 {
		return "", errors.New("the answer holds no address to upload to")
	}
	_, err = a.request(ctx, http.MethodPut, lines[1], body, map[string]string{"Content-Type": "text/plain", "Content-Encoding": "gzip"})
	if err != nil {
		return "", fmt.Errorf("send the report: %w", err)
	}
	return lines[0], nil
}

// codecovAddress names the commit. The token travels in a header: addresses are written into logs.
func (a *attempt) codecovAddress() string {
	task := a.s.Task()
	base := a.options.CodecovURL
	if base == "" {
		base = codecovDefault
	}
	query := url.Values{
		"package": {"slipway"}, "service": {"custom"}, "commit": {task.Trigger.SHA}, "branch": {task.Trigger.Branch},
		"slug": {task.Trigger.Repository.FullName()}, "build": {strconv.FormatInt(task.RunNumber, 10)}, "job": {task.Stage.Key},
		"name": {"slipway-" + task.Stage.Key}, "flags": {""}, "tag": {""},
	}
	if task.Trigger.PullRequest > 0 {
		query.Set("pr", strconv.Itoa(task.Trigger.PullRequest))
	}
	return strings.TrimSuffix(base, "/") + "/upload/v4?" + query.Encode()
}

// payload is the uploader's format: the names of files, then each report under its path, compressed.
func (a *attempt) payload(coverage report.Coverage) ([]byte, error) {
	scratch, err := os.OpenRoot(a.s.Scratch())
	if err != nil {
		return nil, fmt.Errorf("open the scratch folder: %w", err)
	}
	defer func() { _ = scratch.Close() }() // a folder opened for reading
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	for _, f := range coverage.Files {
		_, _ = fmt.Fprintln(w, f.Path) // into memory
	}
	_, _ = fmt.Fprintf(w, "<<<<<< network\n# path=%s\n", coverageFile) // into memory
	err = read(scratch, coverageFile, func(f *os.File) error {
		_, err := io.Copy(w, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", coverageFile, err)
	}
	_, _ = fmt.Fprint(w, "\n<<<<<< EOF\n") // into memory
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress the report: %w", err)
	}
	return body.Bytes(), nil
}

func (a *attempt) request(ctx context.Context, method, address string, body []byte, header map[string]string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return "", withoutAddress(err)
	}
	for name, value := range header {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := a.client().Do(request)
	if err != nil {
		return "", withoutAddress(err)
	}
	defer func() { _ = response.Body.Close() }() // read to its bound below
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", withoutAddress(err)
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("%s answered %s: %s", request.URL.Host, response.Status, firstLine(string(text)))
	}
	return string(text), nil
}

func (a *attempt) client() *http.Client {
	if a.options.HTTP != nil {
		return a.options.HTTP
	}
	return http.DefaultClient
}

// withoutAddress takes the address out of an error: a signed one is a key.
func withoutAddress(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if runes := []rune(line); len(runes) > 200 {
		line = string(runes[:200]) + "…"
	}
	return line
}
