package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// cancelledError is the cause of a context that a cancel ended.
type cancelledError struct{ reason string }

func (e *cancelledError) Error() string { return "cancelled: " + e.reason }

// Main carries out the task in a folder and records it in the folder's events, which end with a verdict. It is the body
// of a process of its own: it changes that process's environment, limits and signals. An error means that the task could
// not be begun or recorded; a stage that fails is a verdict.
func Main(ctx context.Context, dir string, deps Deps) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the task's folder: %w", err)
	}
	inherited, err := inherit()
	if err != nil {
		return err
	}
	job, err := begin(folder(dir), deps)
	if err != nil {
		return err
	}
	defer job.close()
	// The record begins with the secrets in hand: a bot that died before it gave them may start the task again.
	secrets, err := inherited.secrets()
	if err != nil {
		return err
	}
	if err := job.record(); err != nil {
		return err
	}
	ctx, stop := job.listen(ctx)
	defer stop()
	if err := inherited.ready(); err != nil {
		return err
	}
	return job.run(ctx, secrets)
}

// inheritance is what the executor gave this process besides the folder.
type inheritance struct{ from, to *os.File }

// inherit takes the pipes at once out of reach of every process started later.
func inherit() (inheritance, error) {
	for _, fd := range []int{SecretsFD, ReadyFD} {
		var info unix.Stat_t
		if err := unix.Fstat(fd, &info); err != nil || info.Mode&unix.S_IFMT != unix.S_IFIFO {
			return inheritance{}, errors.New("a runner is started by Slipway itself: its secrets come through a pipe, and there is none")
		}
		unix.CloseOnExec(fd)
	}
	return inheritance{from: os.NewFile(SecretsFD, "secrets"), to: os.NewFile(ReadyFD, "ready")}, nil
}

func (i inheritance) secrets() (pipeline.Secrets, error) {
	defer i.from.Close() //nolint:errcheck // read to its end
	var secrets pipeline.Secrets
	text, err := io.ReadAll(i.from)
	if err != nil {
		return secrets, fmt.Errorf("receive the secrets: %w", err)
	}
	if err := json.Unmarshal(text, &secrets); err != nil {
		// The decoder's error may quote what it read.
		return secrets, errors.New("receive the secrets: what came through the pipe is not whole")
	}
	return secrets, nil
}

// ready tells the executor, which may be gone already: then nobody waits.
func (i inheritance) ready() error {
	_, err := i.to.WriteString(Ready)
	if errors.Is(err, syscall.EPIPE) {
		err = nil
	}
	if err := errors.Join(err, i.to.Close()); err != nil {
		return fmt.Errorf("tell that the task has begun: %w", err)
	}
	return nil
}

// job is one task in its folder.
type job struct {
	folder  folder
	deps    Deps
	task    pipeline.Task
	options Options
	lock    *os.File
	events  *os.File
}

// begin takes the folder for this process. A folder whose task has begun before is refused: its events are a record.
func begin(f folder, deps Deps) (*job, error) {
	j := &job{folder: f, deps: deps}
	if j.deps.Clock == nil {
		j.deps.Clock = systemClock{}
	}
	var err error
	if j.lock, err = os.OpenFile(f.path(LockFile), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("lock the task: %w", err)
	}
	if err := unix.Flock(int(j.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the task: another runner carries it out: %w", err), j.lock.Close())
	}
	if err := j.open(); err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

func (j *job) open() error {
	if err := j.folder.read(TaskFile, &j.task); err != nil {
		return err
	}
	if err := j.folder.read(OptionsFile, &j.options); err != nil {
		return err
	}
	if err := harden(); err != nil {
		return err
	}
	state, err := json.Marshal(newState())
	if err != nil {
		return fmt.Errorf("write the runner's state: %w", err)
	}
	if err := j.lock.Truncate(0); err != nil {
		return fmt.Errorf("write the runner's state: %w", err)
	}
	if _, err := j.lock.WriteAt(state, 0); err != nil {
		return fmt.Errorf("write the runner's state: %w", err)
	}
	return nil
}

// record begins the events. That they exist says that the task has begun, for ever.
func (j *job) record() (err error) {
	j.events, err = os.OpenFile(j.folder.path(EventsFile), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("record the task: %w", err)
	}
	return nil
}

// memoryScore makes the kernel, short of memory, prefer a stage to the bot.
const memoryScore = "500"

// harden keeps this process's memory, where secrets are, from core files and from processes of the same user.
func harden() error {
	// Before the process stops being its own: /proc/self belongs to root afterwards.
	if err := os.WriteFile("/proc/self/oom_score_adj", []byte(memoryScore), 0o600); err != nil {
		return fmt.Errorf("offer the stage to the kernel when memory is short: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("hide the runner's memory: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}

// close releases the folder; the kernel would do the same.
func (j *job) close() {
	for _, file := range []*os.File{j.events, j.lock} {
		if file != nil {
			_ = file.Close() // every write was checked as it was made
		}
	}
}

// listen ends the context when this process is told to stop, with the reason the executor left.
func (j *job) listen(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGHUP)
	done := make(chan struct{})
	cancelled := func(otherwise string) {
		reason, found := j.folder.cancelReason()
		if !found || strings.TrimSpace(reason) == "" {
			reason = otherwise
		}
		cancel(&cancelledError{reason})
	}
	if _, found := j.folder.cancelReason(); found {
		cancelled("before the stage began")
	}
	go func() {
		select {
		case s := <-signals:
			cancelled("the runner was told to end (" + s.String() + ")")
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
