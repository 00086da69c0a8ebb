package smoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/util/jsonpath"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// request is one that was made, and what came of it.
type request struct {
	check   Check
	attempt int
	// status is 0 where nothing answered.
	status int
	took   time.Duration
	body   []byte
	// wrong is why the answer is not as it must be: "answered 503, not 200"; empty: it is.
	wrong string
}

const (
	// answerIn bounds one request, maxBody what is read of its answer.
	answerIn = 15 * time.Second
	maxBody  = 256 << 10
)

// ask makes one request. An error is none of the service's.
func (t *test) ask(ctx context.Context, way endpoint, check Check) (request, error) {
	r := request{check: check}
	inner, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	made, err := t.compose(inner, way, check)
	if err != nil {
		return r, err
	}
	began := t.now()
	answer, err := way.client.Do(made)
	if err == nil {
		r.body, err = io.ReadAll(io.LimitReader(answer.Body, maxBody))
		err = errors.Join(err, answer.Body.Close())
		r.status = answer.StatusCode
	}
	r.took = t.now().Sub(began)
	switch {
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case errors.Is(err, errForbidden):
		return r, failf("The address is not allowed", "%s is not asked: link-local addresses, those of a cloud's metadata, and the bot's own machine are out of bounds for smoke tests.", way.base)
	case err != nil:
		r.wrong = "was not answered: " + reason(err)
	default:
		r.wrong = judge(check, way, r)
	}
	return r, nil
}

func (t *test) compose(ctx context.Context, way endpoint, check Check) (*http.Request, error) {
	body, kind, err := t.body(check)
	if err != nil {
		return nil, err
	}
	made, err := http.NewRequestWithContext(ctx, check.Method, way.url(check.Path), bytes.NewReader(body))
	if err != nil {
		return nil, failf("The request cannot be made", "%s is no request: %v.", check, err)
	}
	if kind != "" {
		made.Header.Set("Content-Type", kind)
	}
	made.Header.Set("User-Agent", "slipway-smoke")
	for _, name := range slices.Sorted(maps.Keys(check.Headers)) {
		value, err := t.fill(check.Headers[name])
		if err != nil {
			return nil, err
		}
		if way.proxied && (strings.EqualFold(name, "Authorization") || strings.HasPrefix(strings.ToLower(name), "impersonate-")) {
			return nil, failf("A header cannot be sent", "%s has the header %s, and the service is asked through the API server, which would take it for its own. Use `url`, or a header of another name.", check, name)
		}
		if strings.EqualFold(name, "Host") {
			made.Host = value
			continue
		}
		made.Header.Set(name, value)
	}
	return made, nil
}

func (t *test) body(check Check) (text []byte, kind string, err error) {
	switch {
	case check.JSON != nil:
		encoded, err := json.Marshal(check.JSON)
		if err != nil {
			return nil, "", fmt.Errorf("body of %s: %w", check, err)
		}
		return encoded, "application/json", nil
	case check.Body != "":
		filled, err := t.fill(check.Body)
		return []byte(filled), "", err
	}
	return nil, "", nil
}

// placeholder is a secret in a header or a body: $(NAME). $$(NAME) is that text itself.
var placeholder = regexp.MustCompile(`\$?\$\(([A-Z_][A-Z0-9_]*)\)`)

// fill puts secrets that the stage names in the place of their names.
func (t *test) fill(text string) (string, error) {
	var missing string
	filled := placeholder.ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "$$") {
			return found[1:]
		}
		name := found[2 : len(found)-1]
		value, set := t.s.Secret(name)
		if !set || !slices.Contains(t.task.Stage.Secrets, name) || t.isKubeconfig(name) {
			missing = name
		}
		return value
	})
	if missing != "" {
		return "", failf("A secret is missing", "A check uses the secret %s, which the stage does not name among its `secrets` (write $$(%s) if the text itself is meant).", missing, missing)
	}
	return filled, nil
}

func (t *test) isKubeconfig(name string) bool {
	env := t.task.Environment
	return env != nil && env.Cluster != nil && env.Cluster.Kubeconfig == name
}

// reason is why nothing answered, without what names the inside of the network.
func reason(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("nothing came within %s", answerIn)
	}
	if p, ok := errors.AsType[*cluster.Problem](cluster.Explain(err, "answer")); ok {
		_, text, found := strings.Cut(p.Cause, ": ")
		if found {
			return strings.TrimSuffix(text, ".")
		}
	}
	return err.Error()
}

// judge holds an answer against what it must be.
func judge(check Check, way endpoint, r request) string {
	if !slices.Contains(check.Status, r.status) {
		text := fmt.Sprintf("answered %d, not %s", r.status, orList(check.Status))
		if said := proxySays(way, r.body); said != "" {
			text += " (the API server: " + said + ")"
		}
		return text
	}
	for _, wanted := range check.Contains {
		if !bytes.Contains(r.body, []byte(wanted)) {
			return fmt.Sprintf("answered %d without %q", r.status, clip(wanted, 100))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(check.JSONPath)) {
		if wrong := judgePath(path, check.JSONPath[path], r.body); wrong != "" {
			return wrong
		}
	}
	if limit := time.Duration(check.MaxMS) * time.Millisecond; check.MaxMS > 0 && r.took > limit {
		return fmt.Sprintf("took %d ms, more than %d", r.took.Milliseconds(), check.MaxMS)
	}
	return ""
}

func orList(statuses []int) string {
	parts := make([]string, len(statuses))
	for i, s := range statuses {
		parts[i] = strconv.Itoa(s)
	}
	return strings.Join(parts, " or ")
}

// proxySays is the API server's own word, where it is that one which answered.
func proxySays(way endpoint, body []byte) string {
	var status struct{ Kind, Message string }
	if !way.proxied || json.Unmarshal(body, &status) != nil || status.Kind != "Status" {
		return ""
	}
	return clip(strings.TrimSpace(status.Message), 300)
}

// judgePath looks for a value in a JSON answer.
func judgePath(path string, wanted any, body []byte) string {
	var data any
	if err := json.Unmarshal(body, &data); err != nil {
		return "answered with what is no JSON"
	}
	parser := jsonpath.New("check")
	if err := parser.Parse("{" + path + "}"); err != nil {
		return fmt.Sprintf("cannot be checked: %s is no JSONPath", path)
	}
	found, err := parser.FindResults(data)
	if err != nil || len(found) == 0 || len(found[0]) == 0 {
		return fmt.Sprintf("answered without %s", path)
	}
	var shown []string
	for _, value := range found[0] {
		if !value.CanInterface() {
			continue
		}
		if equal(value.Interface(), wanted) {
			return ""
		}
		text, err := json.Marshal(value.Interface())
		if err == nil {
			shown = append(shown, string(text))
		}
	}
	expected, err := json.Marshal(wanted)
	if err != nil {
		return fmt.Sprintf("cannot be checked: the value for %s is none", path)
	}
	return fmt.Sprintf("has %s at %s, not %s", clip(strings.Join(shown, ", "), 200), path, clip(string(expected), 100))
}

// equal compares values of JSON, whatever types numbers came in.
func equal(a, b any) bool {
	left, err := json.Marshal(a)
	if err != nil {
		return false
	}
	right, err := json.Marshal(b)
	if err != nil {
		return false
	}
	var x, y any
	if json.Unmarshal(left, &x) != nil || json.Unmarshal(right, &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}

func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
