package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Options are the settings of the machine a runner works on.
type Options struct {
	// WorkspaceDir holds mirrors and checkouts.
	WorkspaceDir string `json:"workspace_dir"`
	// CacheDir holds the caches of repositories, by Task.CacheScope.
	CacheDir string `json:"cache_dir"`
	// Sandbox is sandbox.ModeBubblewrap or sandbox.ModeNone; Network is sandbox.NetworkHost or sandbox.NetworkIsolated.
	Sandbox string `json:"sandbox"`
	Network string `json:"network"`
	// Hide are paths no command may see even where they lie below something that is shown (/opt, /usr/local): the data
	// folder, the folder of secrets, configuration and key files. The folders above and that of the tasks are hidden anyway.
	Hide []string `json:"hide,omitempty"`
	// PassEnv are names of environment variables that runners and commands get from the bot, besides those every command
	// gets (PATH, language, time zone, proxies, certificates).
	PassEnv []string `json:"pass_env,omitempty"`
	// BuildKit is the address of a BuildKit daemon, BuildKitCerts a folder with its certificates, InsecureRegistries are
	// hosts of images that are spoken to without TLS. Commands learn nothing of them.
	BuildKit           string   `json:"buildkit,omitempty"`
	BuildKitCerts      string   `json:"buildkit_certs,omitempty"`
	InsecureRegistries []string `json:"insecure_registries,omitempty"`
	// MemoryBytes bounds the address space of each process of a command, or the memory of its container; 0: no bound.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// MaxArtifactBytes bounds the artifacts of one attempt together; 0: 2 GiB.
	MaxArtifactBytes int64 `json:"max_artifact_bytes,omitempty"`
}

// Checkout is a stage's files at one commit.
type Checkout struct {
	// Dir is absolute and without links.
	Dir string
	// ReadOnly are paths outside Dir that git needs when commands use it there: a mirror's objects.
	ReadOnly []string
	// Close removes the checkout.
	Close func() error
}

// CheckoutFunc makes the checkout of a task below options.WorkspaceDir. It alone sees secrets.GitToken. An error is our
// surroundings' trouble and tried again, unless it is a *Failure.
type CheckoutFunc func(ctx context.Context, options Options, task pipeline.Task, secrets pipeline.Secrets, log func(string)) (Checkout, error)

// Deps is what a runner is made of.
type Deps struct {
	// Stages by the value of `uses`; "run" for a stage of commands.
	Stages   map[string]Stage
	Checkout CheckoutFunc
	Clock    pipeline.Clock
	// Mask says what of a secret's value must not be shown, for values of which that is not the whole: a kubeconfig. Nil, or
	// whole: all of it.
	Mask func(task pipeline.Task, name, value string) (parts []string, whole bool)
}

// Failure is an error that is the commit's or its configuration's fault, so that trying again changes nothing: the
// verdict is a failure with this title and cause.
type Failure struct { //nolint:errname // a verdict first, which travels as an error
	Title string
	Cause string
}

func (e *Failure) Error() string { return e.Title + ": " + e.Cause }

// The files of a task's folder. The executor writes the first three, the runner the others.
const (
	TaskFile    = "task.json"
	OptionsFile = "options.json"
	// CancelFile holds the reason of a cancel; SIGTERM makes the runner look.
	CancelFile = "cancel"
	// LockFile is locked (flock) as long as the runner lives, and holds a State.
	LockFile = "lock"
	// EventsFile holds a pipeline.StageEvent a line. It exists once the runner has begun.
	EventsFile   = "events.ndjson"
	artifactsDir = "artifacts"
	scratchDir   = "scratch"
)

// Descriptors that a runner inherits besides the standard ones.
const (
	// SecretsFD is a pipe with pipeline.Secrets as JSON; it is read to its end once.
	SecretsFD = 3
	// ReadyFD is a pipe into which the runner writes Ready when it holds its lock and has the secrets.
	ReadyFD = 4
	// Ready is what it writes.
	Ready = "ready\n"
)

// State is what others need to know of a running runner.
type State struct {
	PID int `json:"pid"`
	// MemoryKills is how many processes the kernel had killed for memory when it began.
	MemoryKills int64 `json:"memory_kills"`
}

// ReadOptions reads the settings that the executor has left in a task's folder, for stages that are made with them.
func ReadOptions(dir string) (Options, error) {
	var o Options
	return o, folder(dir).read(OptionsFile, &o)
}

// folder is a task's folder.
type folder string

func (f folder) path(name string) string { return filepath.Join(string(f), name) }

func (f folder) read(name string, into any) error {
	text, err := os.ReadFile(f.path(name))
	if err != nil {
		return fmt.Errorf("read the task: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read the task: %s: %w", f.path(name), err)
	}
	return nil
}

// cancelReason is the reason of a cancel; found is false when there is none.
func (f folder) cancelReason() (reason string, found bool) {
	text, err := os.ReadFile(f.path(CancelFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", false
	}
	return string(text), true
}
