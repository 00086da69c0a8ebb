// Package stagetest gives stages a real Session for their tests: commands run as processes in a temporary checkout, and
// what the stage tells is recorded.
package stagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/redact"
)

// Options describe the world of one stage attempt.
type Options struct {
	Task    pipeline.Task
	Files   map[string]string // the checkout; names with slashes
	Secrets map[string]string
	// Kept are the files of Session.File.
	Kept map[string][]byte
	// CacheRoot is shared by sessions that are runs of one repository; empty: a cache of its own.
	CacheRoot string
	// Env overrides what commands see of the machine (PATH, HOME, …).
	Env []string
}

// Session is a runner.Session without a sandbox.
type Session struct {
	task    pipeline.Task
	dir     string
	scratch string
	cache   string
	root    *os.Root
	secrets map[string]string
	kept    map[string][]byte
	env     []string
	// concealed are all values that are masked, redactor what masks them.
	concealed map[string]string
	redactor  *redact.Redactor

	mu sync.Mutex
	// What the stage told, in order.
	Recorded Record
}

// Record is everything a stage told.
type Record struct {
	Lines     []string
	Progress  []string
	Sections  []pipeline.Section
	Findings  []pipeline.Finding
	Outputs   map[string]string
	Artifacts map[string][]byte
	Private   map[string][]byte
	Parts     []pipeline.Part
	Steps     []pipeline.Step // ended ones
	Commands  [][]string
}

// New makes a checkout and a session on it; both are gone after the test.
func New(tb testing.TB, o Options) *Session {
	tb.Helper()
	s := &Session{task: o.Task, dir: folder(tb), scratch: folder(tb), cache: o.CacheRoot, secrets: o.Secrets, kept: o.Kept, env: o.Env}
	if s.cache == "" {
		s.cache = folder(tb)
	}
	s.concealed = maps.Clone(o.Secrets)
	if s.concealed == nil {
		s.concealed = map[string]string{}
	}
	redactor, err := redact.New(s.concealed)
	if err != nil {
		tb.Fatal(err)
	}
	s.redactor = redactor
	s.Recorded.Outputs = map[string]string{}
	s.Recorded.Artifacts = map[string][]byte{}
	s.Recorded.Private = map[string][]byte{}
	for name, text := range o.Files {
		s.Write(tb, name, text)
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = root.Close() })
	s.root = root
	if err := os.Mkdir(filepath.Join(s.scratch, "home"), 0o700); err != nil {
		tb.Fatal(err)
	}
	return s
}

// folder is a temporary one by its real path: tools resolve links.
func folder(tb testing.TB) string {
	tb.Helper()
	dir, err := filepath.EvalSymlinks(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

// Write puts a file into the checkout.
func (s *Session) Write(tb testing.TB, name, text string) {
	tb.Helper()
	file := filepath.Join(s.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// LogText is the log, joined: for assertions.
func (s *Session) LogText() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.Recorded.Lines, "\n")
}

// SectionTitled returns the recorded section of that title.
func (s *Session) SectionTitled(title string) (pipeline.Section, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.Recorded.Sections, func(have pipeline.Section) bool { return have.Title == title })
	if at < 0 {
		return pipeline.Section{}, false
	}
	return s.Recorded.Sections[at], true
}

// The methods of runner.Session.

// Task is the one the test gave.
func (s *Session) Task() pipeline.Task { return s.task }

// Dir is the checkout.
func (s *Session) Dir() string { return s.dir }

// Root opens files of the checkout.
func (s *Session) Root() *os.Root { return s.root }

// Scratch is a private folder.
func (s *Session) Scratch() string { return s.scratch }

// CacheDir is kept between sessions of one CacheRoot.
func (s *Session) CacheDir(name string) (string, error) {
	dir := filepath.Join(s.cache, name)
	return dir, os.MkdirAll(dir, 0o750)
}

// Secret returns a secret the test gave.
func (s *Session) Secret(name string) (string, bool) {
	value, ok := s.secrets[name]
	return value, ok
}

func (s *Session) mask(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.redactor.String(text)
}

// Step records the end of a step.
func (s *Session) Step(ctx context.Context, name string, fn func(context.Context) (string, error)) error {
	step := pipeline.Step{Name: name, Status: pipeline.StatusSuccess, StartedAt: time.Now()}
	detail, err := fn(ctx)
	step.Detail, step.FinishedAt = detail, time.Now()
	if err != nil {
		step.Status = pipeline.StatusFailure
	}
	step = masked(s, step)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Steps = append(s.Recorded.Steps, step)
	return err
}

// Log records a line of the log.
func (s *Session) Log(text string) {
	text = s.mask(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Lines = append(s.Recorded.Lines, strings.Split(text, "\n")...)
}

// Progress records the live line.
func (s *Session) Progress(text string) {
	text = s.mask(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Progress = append(s.Recorded.Progress, text)
}

// Section records a section.
func (s *Session) Section(section pipeline.Section) {
	section = masked(s, section)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Sections = append(s.Recorded.Sections, section)
}

// Finding records a finding.
func (s *Session) Finding(finding pipeline.Finding) {
	finding = masked(s, finding)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Findings = append(s.Recorded.Findings, finding)
}

// Output records an output.
func (s *Session) Output(name, value string) {
	value = s.mask(value)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Outputs[name] = value
}

// Artifact keeps what the file holds.
func (s *Session) Artifact(name, path string) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	content, err := os.ReadFile(path) //nolint:gosec // what the stage under test names
	if err != nil {
		return err
	}
	if bytes.IndexByte(content, 0) < 0 {
		content = []byte(s.mask(string(content)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Artifacts[name] = content
	return nil
}

// File returns what Options.Kept holds.
func (s *Session) File(name string) ([]byte, bool) {
	content, found := s.kept[name]
	return content, found
}

// Part notes a part of the candidate.
func (s *Session) Part(part pipeline.Part) {
	part.Detail, part.ExtraApproval, part.Lost = s.mask(part.Detail), s.mask(part.ExtraApproval), s.mask(part.Lost)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Recorded.Parts = append(s.Recorded.Parts, part)
}

// Conceal masks a value in what comes after.
func (s *Session) Conceal(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := maps.Clone(s.concealed)
	all[fmt.Sprintf("%s (%d)", name, len(all))] = value
	redactor, err := redact.New(all)
	if err != nil {
		return err
	}
	s.concealed, s.redactor = all, redactor
	return nil
}

// masked is a value with every text in it masked, as the runner does with each field of an event.
func masked[T any](s *Session, value T) T {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain data
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		panic(err) // as above
	}
	if text, err = json.Marshal(maskTree(s, tree)); err != nil {
		panic(err) // as above
	}
	var clean T
	if err := json.Unmarshal(text, &clean); err != nil {
		panic(err) // as above
	}
	return clean
}

func maskTree(s *Session, tree any) any {
	switch v := tree.(type) {
	case string:
		return s.mask(v)
	case []any:
		for i := range v {
			v[i] = maskTree(s, v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = maskTree(s, v[key])
		}
	}
	return tree
}

// KeepPrivate notes what is kept for the second step.
func (s *Session) KeepPrivate(name string, content []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.Recorded.Private[name]; taken {
		return os.ErrExist
	}
	s.Recorded.Private[name] = bytes.Clone(content)
	return nil
}
