package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/process"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// session is the Session of the one stage of this process.
type session struct {
	task    pipeline.Task
	options Options
	secrets map[string]string
	files   map[string][]byte
	dir     string
	root    *os.Root
	scratch string

	recorder *recorder
	reaper   *process.Reaper
	policy   sandbox.Policy
	sandbox  *sandbox.Sandbox
	keeper   *keeper

	mu         sync.Mutex
	steps      []string // open ones, the last begun last
	last       string   // the step begun last, open or not
	caches     map[string]string
	commands   int
	containers *sandbox.Containers
}

var _ Session = (*session)(nil)

func (s *session) Task() pipeline.Task { return s.task }
func (s *session) Dir() string         { return s.dir }
func (s *session) Root() *os.Root      { return s.root }
func (s *session) Scratch() string     { return s.scratch }
func (s *session) home() string        { return filepath.Join(s.scratch, "home") }

func (s *session) Secret(name string) (string, bool) {
	value, found := s.secrets[name]
	return value, found
}

// File implements Session.
func (s *session) File(name string) ([]byte, bool) {
	content, found := s.files[name]
	return content, found
}

// safeName is a name that can be a folder's as it is.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$`)

// folderName makes any text the name of a folder, different texts different ones.
func folderName(text string) string {
	if safeName.MatchString(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return ".h-" + hex.EncodeToString(sum[:16])
}

// CacheDir gives trusted commits the repository's cache, and everybody else an empty one that is thrown away.
func (s *session) CacheDir(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if dir, known := s.caches[name]; known {
		return dir, nil
	}
	dir := filepath.Join(s.scratch, "cache", folderName(name))
	if s.task.CacheWritable && s.task.CacheScope != "" {
		parts := []string{s.options.CacheDir}
		for part := range strings.SplitSeq(s.task.CacheScope, "/") {
			parts = append(parts, folderName(part))
		}
		dir = filepath.Join(append(parts, folderName(name))...)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the cache %s: %w", name, err)
	}
	s.caches[name] = dir
	return dir, nil
}

func (s *session) cacheDirs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Values(s.caches))
}

type stepKey struct{}

// stepOf is the step a context belongs to.
func stepOf(ctx context.Context) string {
	name, _ := ctx.Value(stepKey{}).(string)
	return name
}

func (s *session) Step(ctx context.Context, name string, fn func(context.Context) (string, error)) (err error) {
	name = s.recorder.concealed.now().String(name) // log lines carry it too
	step := pipeline.Step{Name: name, Status: pipeline.StatusRunning, StartedAt: s.recorder.clock.Now().UTC()}
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &step})
	s.openStep(name)
	detail, ended := "", false
	defer func() {
		s.closeStep(name)
		end := step
		end.Status, end.Detail, end.FinishedAt = pipeline.StatusSuccess, detail, s.recorder.clock.Now().UTC()
		if err != nil || !ended {
			end.Status = pipeline.StatusFailure
		}
		s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventStep, Step: &end})
	}()
	detail, err = fn(context.WithValue(ctx, stepKey{}, name))
	ended = true
	return err
}

func (s *session) openStep(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps, s.last = append(s.steps, name), name
}

func (s *session) closeStep(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, open := range slices.Backward(s.steps) {
		if open == name {
			s.steps = slices.Delete(s.steps, i, i+1)
			return
		}
	}
}

// currentStep is the step that was begun last and goes on.
func (s *session) currentStep() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) == 0 {
		return ""
	}
	return s.steps[len(s.steps)-1]
}

// lastStep is the step that was begun last.
func (s *session) lastStep() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *session) Log(text string) { s.logIn(s.currentStep(), text) }

// logIn masks a text as a whole before it is cut into lines: a secret may have several.
func (s *session) logIn(step, text string) {
	if s.recorder.full() {
		return
	}
	lines := process.NewLines(func(line string) { s.recorder.log(step, line) })
	// Neither fails: both write to memory and to the recorder, which keeps its own error.
	_, _ = lines.Write([]byte(s.recorder.concealed.now().String(text) + "\n")) // see above
	_ = lines.Close()                                                          // see above
}

func (s *session) Progress(text string) {
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventProgress, Progress: text})
}

func (s *session) Section(section pipeline.Section) {
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventSection, Section: &section})
}

func (s *session) Finding(finding pipeline.Finding) {
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventFinding, Finding: &finding})
}

func (s *session) Output(name, value string) {
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventOutput, Output: map[string]string{name: value}})
}

func (s *session) Artifact(name, path string) error { return s.keeper.keep(name, path) }

func (s *session) Part(part pipeline.Part) {
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventPart, Part: &part})
}

func (s *session) KeepPrivate(name string, content []byte) error {
	return s.keeper.keepPrivate(name, content)
}
