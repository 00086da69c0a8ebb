package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/process"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

const (
	defaultGrace   = 10 * time.Second
	defaultTimeout = 30 * time.Minute
	defaultLog     = 64 << 20
	// stubborn is how long a stage may take to return once its commands are dead.
	stubborn = 10 * time.Second
	// keepFor bounds the copying of artifacts after the stage.
	keepFor = 5 * time.Minute
)

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func newState() State {
	return State{PID: os.Getpid(), MemoryKills: process.CountMemoryKills().Machine}
}

// timeoutError is the cause of a context that the stage's limit ended.
type timeoutError struct{ limit time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("the stage ran longer than its limit of %s", e.limit)
}

// run carries the task out, from the first step to the verdict, and clears up after it.
func (j *job) run(ctx context.Context, secrets pipeline.Secrets) error {
	j.setDefaults()
	s, err := j.newSession(secrets)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, j.task.Stage.Timeout, &timeoutError{j.task.Stage.Timeout})
	defer cancel()
	verdict, checkout := j.carryOut(ctx, s, secrets)
	s.recorder.emit(pipeline.StageEvent{Type: pipeline.StageEventVerdict, Verdict: &verdict})
	return errors.Join(s.recorder.failed(), j.clear(s, checkout))
}

func (j *job) setDefaults() {
	if j.task.Grace <= 0 {
		j.task.Grace = defaultGrace
	}
	if j.task.Stage.Timeout <= 0 {
		j.task.Stage.Timeout = defaultTimeout
	}
	if j.task.MaxLogBytes <= 0 {
		j.task.MaxLogBytes = defaultLog
	}
	if j.options.MaxArtifactBytes <= 0 {
		j.options.MaxArtifactBytes = defaultArtifactBytes
	}
}

// newSession makes what does not need the checkout.
func (j *job) newSession(secrets pipeline.Secrets) (*session, error) {
	scratch := j.folder.path(scratchDir)
	for _, dir := range []string{scratch, filepath.Join(scratch, "tmp"), filepath.Join(scratch, "home"), filepath.Join(scratch, "command")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the stage's folders: %w", err)
		}
	}
	if err := sealEnvironment(j.options, filepath.Join(scratch, "home")); err != nil {
		return nil, err
	}
	reaper, err := process.NewReaper()
	if err != nil {
		return nil, err
	}
	return &session{
		task: j.task, options: j.options, secrets: secrets.Env, files: secrets.Files, scratch: scratch, reaper: reaper, caches: map[string]string{},
		recorder: newRecorder(j.events, j.deps.Clock, j.task.MaxLogBytes),
	}, nil
}

// carryOut is the task between its first event and its verdict.
func (j *job) carryOut(ctx context.Context, s *session, secrets pipeline.Secrets) (pipeline.Verdict, Checkout) {
	if err := s.recorder.concealed.add(j.valuesOf(secrets)); err != nil {
		return j.verdictOf(ctx, s, err), Checkout{}
	}
	stage, known := j.deps.Stages[j.task.Stage.Uses]
	if !known {
		return j.verdictOf(ctx, s, &Failure{
			"Unknown kind of stage", fmt.Sprintf("This version of Slipway has no stage kind %q.", j.task.Stage.Uses),
		}), Checkout{}
	}
	checkout, err := j.checkOut(ctx, s, secrets)
	if err != nil {
		return j.verdictOf(ctx, s, err), checkout
	}
	if err := j.enter(s, checkout); err != nil {
		return j.verdictOf(ctx, s, err), checkout
	}
	verdict, err := runStage(ctx, stage, s)
	switch {
	case err != nil:
		verdict = j.verdictOf(ctx, s, err)
	case ctx.Err() != nil && !verdict.Status.Passed():
		// A stage that passed in spite of it has done all it was to do.
		verdict = withCause(j.verdictOf(ctx, s, nil), verdict.Cause)
	}
	j.keepArtifacts(ctx, s)
	return verdict, checkout
}

// valuesOf are what must not be shown of the secrets of the task, the token that fetches it included.
func (j *job) valuesOf(secrets pipeline.Secrets) map[string]string {
	values := make(map[string]string, len(secrets.Env)+1)
	for name, value := range secrets.Env {
		parts, whole := []string(nil), true
		if j.deps.Mask != nil {
			parts, whole = j.deps.Mask(j.task, name, value)
		}
		if whole {
			parts = []string{value}
		}
		for i, part := range parts {
			values[name+strings.Repeat("'", i)] = part // the name tells people which one is too short
		}
	}
	if secrets.GitToken != "" {
		values["the token that fetches the repository"] = secrets.GitToken
	}
	return values
}

func (j *job) checkOut(ctx context.Context, s *session, secrets pipeline.Secrets) (checkout Checkout, err error) {
	err = s.Step(ctx, "checkout", func(ctx context.Context) (string, error) {
		if err := context.Cause(ctx); err != nil {
			return "", err
		}
		checkout, err = j.deps.Checkout(ctx, j.options, j.task, secrets, func(text string) { s.logIn("checkout", text) })
		if err != nil {
			s.logIn("checkout", err.Error())
		}
		return "", err
	})
	return checkout, err
}

// enter completes the session with the checkout and the sandbox around it.
func (j *job) enter(s *session, checkout Checkout) (err error) {
	s.dir = checkout.Dir
	if s.root, err = os.OpenRoot(checkout.Dir); err != nil {
		return fmt.Errorf("open the checkout: %w", err)
	}
	s.keeper = &keeper{
		recorder: s.recorder, checkout: s.root, dir: s.dir, scratch: s.scratch, to: j.folder.path(artifactsDir),
		left: j.options.MaxArtifactBytes, names: map[string]bool{},
	}
	hide := append([]string{filepath.Dir(string(j.folder)), j.options.WorkspaceDir, j.options.CacheDir}, j.options.Hide...)
	s.policy = sandbox.Policy{
		Mode: j.options.Sandbox, Network: j.options.Network, Checkout: s.dir, Scratch: s.scratch, Home: s.home(),
		ReadOnly: checkout.ReadOnly, Hide: hide, MemoryBytes: j.options.MemoryBytes, Path: os.Getenv("PATH"),
	}
	s.sandbox, err = sandbox.New(s.policy)
	return err
}

// runStage guards against a stage that panics and one that does not return after its context has ended.
func runStage(ctx context.Context, stage Stage, s *session) (pipeline.Verdict, error) {
	type outcome struct {
		verdict pipeline.Verdict
		err     error
	}
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if cause := recover(); cause != nil {
				s.Log(fmt.Sprintf("The stage panicked: %v\n%s", cause, debug.Stack()))
				o.err = fmt.Errorf("the stage panicked: %v", cause)
			}
			ended <- o
		}()
		o.verdict, o.err = stage.Run(ctx, s)
		if o.err == nil && !o.verdict.Status.Final() {
			o.err = fmt.Errorf("the stage ended without a verdict (status %q)", o.verdict.Status)
		}
	}()
	select {
	case o := <-ended:
		return o.verdict, o.err
	case <-ctx.Done():
	}
	late := time.NewTimer(s.task.Grace + stubborn)
	defer late.Stop()
	select {
	case o := <-ended:
		return o.verdict, o.err
	case <-late.C:
		return pipeline.Verdict{}, fmt.Errorf("the stage did not stop: %w", context.Cause(ctx))
	}
}

// keepArtifacts runs after every end of the stage: a failed one is looked into by what it left.
func (j *job) keepArtifacts(ctx context.Context, s *session) {
	if len(j.task.Stage.Artifacts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), keepFor, errors.New("it took too long"))
	defer cancel()
	s.keeper.keepMatches(ctx, j.task.Stage.Artifacts, func(text string) { s.logIn("artifacts", text) })
}

// clear removes what the stage leaves. It comes after the verdict, so that nobody waits for it; what it cannot remove is
// removed with the task's folder.
func (j *job) clear(s *session, checkout Checkout) error {
	err := s.reaper.Sweep()
	if s.root != nil {
		err = errors.Join(err, s.root.Close())
	}
	if checkout.Close != nil {
		if closeErr := checkout.Close(); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("remove the checkout: %w", closeErr))
		}
	}
	return errors.Join(err, RemoveAll(s.scratch))
}

// RemoveAll removes a folder also when commands took away their own permission to it.
func RemoveAll(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // opened to change modes
	err = fs.WalkDir(root.FS(), filepath.Base(dir), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return root.Chmod(name, 0o700)
	})
	return errors.Join(err, os.RemoveAll(dir))
}
