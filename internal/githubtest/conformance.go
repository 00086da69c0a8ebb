package githubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/slipwayhq/slipway/internal/githubtest/openapi"
)

// conformance holds requests and answers against GitHub's own OpenAPI description.
type conformance struct {
	report func(problem string)
	spec   *description
}

// description is the parsed OpenAPI document and its operations by method and nameless path.
type description struct {
	document   *openapi3.T
	operations map[string]*routers.Route
}

// loadDescription parses the description once: it never changes, and every test makes a GitHub of its own.
var loadDescription = sync.OnceValues(func() (*description, error) { //nolint:gochecknoglobals // a constant that takes a moment to make
	data, err := openapi.JSON()
	if err != nil {
		return nil, err
	}
	document, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("parse GitHub's API description: %w", err)
	}
	d := &description{document: document, operations: map[string]*routers.Route{}}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			d.operations[nameless(method+" "+path)] = &routers.Route{
				Spec: document, Path: path, PathItem: item, Method: method, Operation: operation,
			}
		}
	}
	d.correct()
	return d, nil
})

// correct mends what GitHub's description says wrongly: the account of a listed installation is a user or an
// enterprise, as that of a single one is, not both at once.
func (d *description) correct() {
	list := d.operations["GET /app/installations"].Operation.Responses.Status(http.StatusOK)
	for _, media := range list.Value.Content {
		if account := media.Schema.Value.Items.Value.Properties["account"]; account != nil {
			account.Value.AnyOf, account.Value.AllOf = account.Value.AllOf, nil
		}
	}
}

var pathParameter = regexp.MustCompile(`\{([^}]*)\}`)

// nameless makes the paths of two sources comparable, which name parameters differently.
func nameless(pattern string) string { return pathParameter.ReplaceAllString(pattern, "{}") }

func newConformance(report func(string)) (*conformance, error) {
	spec, err := loadDescription()
	return &conformance{report: report, spec: spec}, err
}

// input prepares a request to a route for validation; nil when GitHub does not describe the operation.
func (v *conformance) input(r *http.Request, pattern string, body []byte) *openapi3filter.RequestValidationInput {
	route := v.spec.operations[nameless(pattern)]
	if route == nil {
		return nil
	}
	ours, theirs := pathParameter.FindAllStringSubmatch(pattern, -1), pathParameter.FindAllStringSubmatch(route.Path, -1)
	params := map[string]string{}
	for i, name := range theirs {
		params[name[1]] = r.PathValue(strings.TrimSuffix(ours[i][1], "..."))
	}
	if string(bytes.TrimSpace(body)) == "null" { // what Go clients send for "no options"; GitHub takes it as no body
		body = nil
	}
	copied := r.Clone(context.WithoutCancel(r.Context()))
	copied.Body, copied.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) > 0 && copied.Header.Get("Content-Type") == "" {
		copied.Header.Set("Content-Type", "application/json")
	}
	return &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, QueryParams: copied.URL.Query(), Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, SkipSettingDefaults: true},
	}
}

// request reports how a request violates the description.
func (v *conformance) request(r *http.Request, pattern string, body []byte) {
	in := v.input(r, pattern, body)
	if in == nil {
		v.report(fmt.Sprintf("request %s %s: GitHub describes no such operation", r.Method, r.URL.Path))
		return
	}
	if err := openapi3filter.ValidateRequest(in.Request.Context(), in); err != nil {
		v.report(fmt.Sprintf("request %s %s violates GitHub's description: %s", r.Method, r.URL, brief(err)))
	}
	known := map[string]bool{}
	for _, p := range in.Route.Operation.Parameters {
		known[p.Value.Name] = true
	}
	for name := range in.QueryParams {
		if !known[name] {
			v.report(fmt.Sprintf("request %s %s: GitHub knows no query parameter %q here", r.Method, r.URL.Path, name))
		}
	}
	v.unknownFields(r, in.Route.Operation, body)
}

// unknownFields reports fields of a JSON body that GitHub would silently ignore.
func (v *conformance) unknownFields(r *http.Request, operation *openapi3.Operation, body []byte) {
	var sent map[string]json.RawMessage
	if operation.RequestBody == nil || json.Unmarshal(body, &sent) != nil {
		return
	}
	media := operation.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return
	}
	known := map[string]bool{}
	collectProperties(media.Schema.Value, known)
	for name := range sent {
		if len(known) > 0 && !known[name] {
			v.report(fmt.Sprintf("request %s %s: GitHub knows no field %q in the body", r.Method, r.URL.Path, name))
		}
	}
}

func collectProperties(s *openapi3.Schema, into map[string]bool) {
	for name := range s.Properties {
		into[name] = true
	}
	for _, group := range []openapi3.SchemaRefs{s.OneOf, s.AnyOf, s.AllOf} {
		for _, ref := range group {
			collectProperties(ref.Value, into)
		}
	}
}

// response reports how one of our own answers violates the description, so that clients are tested against the truth.
func (v *conformance) response(r *http.Request, pattern string, rep reply) {
	in := v.input(r, pattern, nil)
	if in == nil || rep.raw != nil {
		return
	}
	var body []byte
	header := http.Header{}
	if rep.body != nil {
		data, err := json.Marshal(rep.body)
		if err != nil {
			v.report(fmt.Sprintf("answer to %s %s: %v", r.Method, r.URL.Path, err))
			return
		}
		body = data
		header.Set("Content-Type", jsonMediaType)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: rep.status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Options: in.Options,
	}
	if described := in.Route.Operation.Responses.Status(rep.status); described == nil || len(described.Value.Content) == 0 {
		return
	}
	if err := openapi3filter.ValidateResponse(in.Request.Context(), out); err != nil {
		v.report(fmt.Sprintf("answer %d of %s %s violates GitHub's description: %s", rep.status, r.Method, r.URL.Path, brief(err)))
	}
}

const maxProblemLength = 1200

// brief is what is wrong, without the whole schema.
func brief(err error) string {
	var parts []string
	if multi, ok := errors.AsType[openapi3.MultiError](err); ok {
		for _, e := range multi {
			parts = append(parts, briefOne(e))
		}
	} else {
		parts = append(parts, briefOne(err))
	}
	text := strings.Join(parts, "; ")
	if len(text) > maxProblemLength {
		text = text[:maxProblemLength] + "…"
	}
	return text
}

func briefOne(err error) string {
	if field, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		text := "/" + strings.Join(field.JSONPointer(), "/") + ": " + field.Reason
		if field.Origin != nil { // the cause inside one of several schemas
			text += " (" + brief(field.Origin) + ")"
		}
		return text
	}
	return err.Error()
}
