package pipelinefile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const (
	headSHA  = "1111111111111111111111111111111111111111"
	mainSHA  = "2222222222222222222222222222222222222222"
	orgSHA   = "3333333333333333333333333333333333333333"
	groupSHA = "4444444444444444444444444444444444444444"
)

var _ pipeline.Definitions = (*Loader)(nil)

// memory is a set of repositories: "acme/app@REF:path" -> content. It is not safe for concurrent use.
type memory struct {
	files map[string]string
	heads map[string]string
	fail  error
	// unread are contents that GitHub does not answer yet, unlisted commits whose tree it does not.
	unread   map[string]int
	unlisted string
	mu       sync.Mutex
	calls    []string
}

func (m *memory) note(call string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, call)
}

func (m *memory) Read(_ context.Context, r pipeline.Repository, ref, path string) ([]byte, error) {
	key := r.FullName() + "@" + ref + ":" + path
	m.note("read " + key)
	if m.unread == nil {
		m.unread = map[string]int{}
	}
	if m.fail != nil {
		return nil, m.fail
	}
	text, ok := m.files[key]
	if m.unread[key]--; !ok || m.unread[key] >= 0 {
		return nil, pipeline.ErrNotFound
	}
	return []byte(text), nil
}

func (m *memory) List(_ context.Context, r pipeline.Repository, ref string) ([]string, error) {
	m.note("list " + r.FullName() + "@" + ref)
	if ref == m.unlisted {
		return nil, pipeline.ErrNotFound
	}
	var paths []string
	for key := range m.files {
		if path, ok := strings.CutPrefix(key, r.FullName()+"@"+ref+":"); ok {
			paths = append(paths, path)
		}
	}
	return paths, nil
}

func (m *memory) DefaultHead(_ context.Context, r pipeline.Repository) (string, error) {
	m.note("head " + r.FullName())
	head, ok := m.heads[r.FullName()]
	if !ok {
		return "", fmt.Errorf("%s: %w", r.FullName(), pipeline.ErrNotFound)
	}
	return head, nil
}

func stageFile(id, environments string) string {
	return "stages: {" + id + ": {run: [make]}}\nenvironments: {" + environments + "}\n"
}

func trigger(change func(*pipeline.Trigger)) pipeline.Trigger {
	t := pipeline.Trigger{
		Event:      pipeline.EventPullRequest,
		Repository: pipeline.Repository{ID: 1, Owner: "acme", Name: "app", DefaultBranch: "main"},
		SHA:        headSHA, Branch: "feature", Base: "main",
	}
	if change != nil {
		change(&t)
	}
	return t
}

func describeDefinition(d pipeline.Definition) string {
	parts := []string{d.Source, ":"}
	for _, s := range d.Stages {
		parts = append(parts, s.ID)
	}
	for _, e := range d.Environments {
		parts = append(parts, fmt.Sprintf("%s=%d", e.Name, e.Approvals.Required))
	}
	return strings.Join(parts, " ")
}

func TestLoader(t *testing.T) {
	app := func(ref string) string { return "acme/app@" + ref + ":" + Path }
	heads := map[string]string{"acme/app": mainSHA}
	fork := func(t *pipeline.Trigger) { t.Fork = true }
	org := "acme/.github@" + orgSHA + ":" + OrganisationPath
	withOrg := map[string]string{"acme/app": mainSHA, "acme/.github": orgSHA}
	for _, test := range []struct {
		name    string
		files   map[string]string
		heads   map[string]string
		trigger pipeline.Trigger
		want    string
	}{
		{
			"stages from the head, environments from the default branch",
			map[string]string{app(headSHA): stageFile("proposed", "prod: {approvals: {required: 0}}, mine: "), app(mainSHA): stageFile("old", "prod: {approvals: {required: 2}}")},
			heads, trigger(nil), ".github/slipway.yml : proposed prod=2",
		},
		{
			"a fork runs by the file of its base", map[string]string{app(headSHA): stageFile("proposed", ""), app(mainSHA): stageFile("old", "prod: ")},
			heads, trigger(fork), ".github/slipway.yml : old prod=0",
		},
		{
			"a fork into another branch",
			map[string]string{app("refs/heads/release"): stageFile("release", "lax: "), app(mainSHA): stageFile("old", "prod: ")},
			heads, trigger(func(t *pipeline.Trigger) { t.Fork, t.Base = true, "release" }), ".github/slipway.yml : release prod=0",
		},
		{
			"a fork's commit never counts", map[string]string{app(headSHA): stageFile("proposed", ""), "acme/app@" + mainSHA + ":Dockerfile": "FROM scratch"},
			heads, trigger(fork), "inferred from the repository : docker-build-push deployment-summary",
		},
		{
			"a merge group's own commit", map[string]string{app(groupSHA): stageFile("grouped", ""), app(mainSHA): stageFile("old", "prod: ")},
			heads, trigger(func(t *pipeline.Trigger) { t.Event, t.SHA = pipeline.EventMergeGroup, groupSHA }), ".github/slipway.yml : grouped prod=0",
		},
		{
			"a file the default branch has not", map[string]string{app(headSHA): stageFile("proposed", "prod: ")},
			heads, trigger(nil), ".github/slipway.yml (without environments: the default branch has no such file yet) : proposed",
		},
		{
			"a pull request that mends the file", map[string]string{app(headSHA): stageFile("proposed", "prod: "), app(mainSHA): "stages: 5"},
			heads, trigger(nil), ".github/slipway.yml (without environments: the file of the default branch has problems) : proposed",
		},
		{
			"the first push of an empty repository", map[string]string{app(headSHA): stageFile("first", "prod: ")},
			nil, trigger(nil), ".github/slipway.yml (without environments: the default branch has no such file yet) : first",
		},
		{
			"the organisation's rules", map[string]string{app(mainSHA): stageFile("a", "prod: {approvals: {required: 1}}"), org: "environments: {prod: {approvals: {required: 3}}, other: }"},
			withOrg, trigger(func(t *pipeline.Trigger) { t.SHA = mainSHA }), ".github/slipway.yml : a prod=3",
		},
		{
			"the organisation's stages", map[string]string{"acme/app@" + headSHA + ":Dockerfile": "", org: stageFile("common", "prod: {approvals: {required: 3}}")},
			withOrg, trigger(nil), "acme/.github: slipway.yml : common prod=3",
		},
		{
			"an organisation without the file", map[string]string{app(mainSHA): stageFile("a", "")},
			withOrg, trigger(func(t *pipeline.Trigger) { t.SHA = mainSHA }), ".github/slipway.yml : a",
		},
		{
			"inference knows no environment", map[string]string{"acme/app@" + headSHA + ":k8s/a.yaml": "", org: "environments: {prod: }"},
			withOrg, trigger(nil), "inferred from the repository : kubernetes-deploy deployment-summary",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, err := NewLoader(&memory{files: test.files, heads: test.heads}).Definition(t.Context(), test.trigger)
			if err != nil {
				t.Fatal(err)
			}
			if got := describeDefinition(d); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestLoaderErrors(t *testing.T) {
	broken := errors.New("GitHub is down")
	app := "acme/app@" + headSHA + ":"
	heads := map[string]string{"acme/app": mainSHA, "acme/.github": orgSHA}
	for _, test := range []struct {
		name  string
		files *memory
		want  string
	}{
		{"nothing to infer from", &memory{heads: heads}, "acme/app has no .github/slipway.yml and nothing to infer stages from"},
		{"a transport error", &memory{heads: heads, fail: broken}, "read slipway.yml of acme/.github at " + orgSHA + ": GitHub is down"},
		{"problems of the file", &memory{heads: heads, files: map[string]string{app + Path: "stages: {a: {}}"}}, ".github/slipway.yml:1:10: stages.a says neither"},
		{"problems of the organisation's file", &memory{heads: heads, files: map[string]string{"acme/.github@" + orgSHA + ":slipway.yml": "stage: 5"}}, "acme/.github: slipway.yml:1:1: unknown key \"stage\": did you mean stages?"},
		{"the wrong extension", &memory{heads: heads, files: map[string]string{app + ".github/slipway.yaml": "", app + "Dockerfile": ""}}, ".github/slipway.yaml:1:1: the pipeline file is called .github/slipway.yml: rename this file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := NewLoader(test.files).Definition(t.Context(), trigger(nil))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error is %v, want %s…", err, test.want)
			}
		})
	}
}

// GitHub may answer 404 for a moment after a push: such an answer tells nothing of what a commit has.
func TestLoaderTakesNoAnswerForAbsence(t *testing.T) {
	app := func(sha string) string { return "acme/app@" + sha + ":" + Path }
	org := "acme/.github@" + orgSHA + ":" + OrganisationPath
	const always = 1000
	for _, test := range []struct {
		name     string
		unread   map[string]int
		unlisted string
		trigger  pipeline.Trigger
		want     string // empty: an error that is not "nothing to run"
	}{
		{"all is there", nil, "", trigger(nil), ".github/slipway.yml : proposed prod=3"},
		{"the commit's tree", map[string]int{app(headSHA): always}, headSHA, trigger(nil), ""},
		{"the file, which the tree has", map[string]int{app(headSHA): always}, "", trigger(nil), ""},
		{"the file, the first time", map[string]int{app(headSHA): 1}, "", trigger(nil), ".github/slipway.yml : proposed prod=3"},
		{"the default branch's file", map[string]int{app(mainSHA): always}, "", trigger(nil), ""},
		{"the default branch's tree", map[string]int{app(mainSHA): always}, mainSHA, trigger(nil), ""},
		{"the default branch's file, the first time", map[string]int{app(mainSHA): 1}, "", trigger(nil), ".github/slipway.yml : proposed prod=3"},
		{"the organisation's file", map[string]int{org: always}, "", trigger(nil), ""},
		{"the organisation's tree", map[string]int{org: always}, orgSHA, trigger(nil), ""},
		{"the branch a fork wants to enter", nil, "refs/heads/gone", trigger(func(t *pipeline.Trigger) { t.Fork, t.Base = true, "gone" }), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := &memory{
				heads: map[string]string{"acme/app": mainSHA, "acme/.github": orgSHA}, unread: test.unread, unlisted: test.unlisted,
				files: map[string]string{
					app(headSHA): stageFile("proposed", "prod: {approvals: {required: 0}}"), "acme/app@" + headSHA + ":Dockerfile": "FROM scratch",
					app(mainSHA): stageFile("old", "prod: {approvals: {required: 2}}"), org: stageFile("common", "prod: {approvals: {required: 3}}"),
				},
			}
			d, err := NewLoader(files).Definition(t.Context(), test.trigger)
			switch {
			case errors.Is(err, pipeline.ErrNothingToRun):
				t.Errorf("the push is lost: %v", err)
			case test.want == "" && err == nil:
				t.Errorf("it runs %s", describeDefinition(d))
			case test.want != "" && (err != nil || describeDefinition(d) != test.want):
				t.Errorf("got %s, %v", describeDefinition(d), err)
			}
		})
	}
}

func TestLoaderKnowsNothingToRun(t *testing.T) {
	files := &memory{heads: map[string]string{"acme/app": mainSHA}, files: map[string]string{"acme/app@" + headSHA + ":README.md": "hello"}}
	if _, err := NewLoader(files).Definition(t.Context(), trigger(nil)); !errors.Is(err, pipeline.ErrNothingToRun) {
		t.Errorf("error %v", err)
	}
}

func TestLoaderReadsLittle(t *testing.T) {
	files := &memory{
		heads: map[string]string{"acme/app": mainSHA, "acme/.github": orgSHA},
		files: map[string]string{
			"acme/app@" + mainSHA + ":" + Path:        stageFile("a", "prod: "),
			"acme/app@" + headSHA + ":" + Path:        stageFile("b", "prod: "),
			"acme/.github@" + orgSHA + ":slipway.yml": "environments: {prod: }",
		},
	}
	loader := NewLoader(files)
	calls := func(sha string) []string {
		files.calls = nil
		if _, err := loader.Definition(t.Context(), trigger(func(t *pipeline.Trigger) { t.SHA = sha })); err != nil {
			t.Fatal(err)
		}
		slices.Sort(files.calls) // the organisation is asked beside the repository
		return files.calls
	}
	heads := []string{"head acme/.github", "head acme/app"}
	want := []string{"head acme/.github", "head acme/app", "read acme/.github@" + orgSHA + ":slipway.yml", "read acme/app@" + mainSHA + ":" + Path}
	if got := calls(mainSHA); !slices.Equal(got, want) {
		t.Errorf("a push to the default branch: %q", got)
	}
	if got := calls(mainSHA); !slices.Equal(got, heads) {
		t.Errorf("the same again: %q", got)
	}
	if got := calls(headSHA); !slices.Equal(got, append(heads, "read acme/app@"+headSHA+":"+Path)) {
		t.Errorf("a pull request: %q", got)
	}
}

func TestCacheIsBounded(t *testing.T) {
	cache := newLRU[int, int](2)
	for i := range 3 {
		cache.put(i, i)
		cache.get(0)
	}
	if _, ok := cache.get(1); ok {
		t.Error("the entry not used longest is still there")
	}
	if _, ok := cache.get(0); !ok || cache.order.Len() != 2 || len(cache.entries) != 2 {
		t.Error("the cache lost what was used, or grew")
	}
}
