// Package terraform is the stage that plans a change of infrastructure, shows the plan, and later applies exactly that plan.
package terraform

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Settings are the keys of `with`.
type Settings struct {
	// Dir is the folder of the root module.
	Dir string `json:"dir"`
	// Workspace is empty for the default one.
	Workspace     string            `json:"workspace,omitempty"`
	BackendConfig map[string]string `json:"backend-config,omitempty"`
	Vars          map[string]any    `json:"vars,omitempty"`
	VarFiles      []string          `json:"var-files,omitempty"`
	// AllowDestroy is the gate's to read, from the file of the default branch: a commit does not say it of itself.
	AllowDestroy bool `json:"allow-destroy,omitempty"`
}

// Options are what the stage needs of the world beside its session.
type Options struct {
	// Machine is where Terraform and OpenTofu are looked for.
	Machine Machine
	// CLIConfig is the operator's own configuration file of Terraform, of which provider_installation counts: a mirror of
	// providers. Empty: there is none.
	CLIConfig string
	// LockTimeout is how long a state that somebody else has locked is waited for; 0: two minutes.
	LockTimeout time.Duration
	Now         func() time.Time
}

const (
	lockTimeout = 2 * time.Minute
	defaultDir  = "infra"
)

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage {
	if o.LockTimeout == 0 {
		o.LockTimeout = lockTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Stage{options: o}
}

var _ runner.Stage = (*Stage)(nil)

// Run carries out the step that the task is at: prepare makes and keeps a plan, apply applies it.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	a := attempt{options: st.options, s: s, settings: Settings{Dir: defaultDir}}
	if err := s.Task().Settings(&a.settings); err != nil {
		return pipeline.Verdict{}, fmt.Errorf("settings of stage %s: %w", s.Task().Stage.ID, err)
	}
	a.settings.Dir = path.Clean(a.settings.Dir)
	if workspace := s.Task().Stage.Env["TF_WORKSPACE"]; a.settings.Workspace == "" {
		a.settings.Workspace = workspace
	}
	defer context.AfterFunc(ctx, func() { a.stopped.Store(a.options.Now().UnixNano()) })()
	step := a.prepare
	if s.Task().Phase == pipeline.PhaseApply {
		step = a.apply
	}
	verdict, err := step(ctx)
	if ended, ok := verdictOf(err); ok && ctx.Err() == nil {
		s.Log(ended.Title + "\n" + ended.Cause)
		return ended, nil
	}
	return verdict, err
}

// attempt is one run of the stage.
type attempt struct {
	options  Options
	s        runner.Session
	settings Settings

	config   configuration
	tool     Tool
	backend  backend
	access   *awscloud.Access // nil: nothing of AWS
	request  awscloud.Request
	varFiles []string
	// planned is what the plan says is to be done; known in the second step only.
	diagnostics []diagnostic
	// mirrors are folders of the operator that providers come from.
	mirrors []string
	// stopped is when the context ended, in nanoseconds; 0: it has not.
	stopped atomic.Int64
}

// inDir is a path of the checkout for one of the root module's folder.
func (a *attempt) inDir(name string) string { return path.Join(a.settings.Dir, name) }

// failure is a verdict that travels as an error.
type failure struct{ verdict pipeline.Verdict }

func (f *failure) Error() string { return f.verdict.Title + ": " + f.verdict.Cause }

func fail(title, format string, args ...any) error {
	return &failure{pipeline.Verdict{Status: pipeline.StatusFailure, Title: title, Cause: fmt.Sprintf(format, args...)}}
}

// verdictOf is the verdict of an error that is nobody's surprise.
func verdictOf(err error) (pipeline.Verdict, bool) {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.verdict, true
	}
	if p, ok := errors.AsType[*awscloud.Problem](err); ok {
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: p.Title, Cause: p.Cause, Infrastructure: p.Unreachable}, true
	}
	if f, ok := errors.AsType[*runner.Failure](err); ok {
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: f.Title, Cause: f.Cause}, true
	}
	return pipeline.Verdict{}, false
}

// namedSecrets are those of the stage that this run has; keys of AWS are handed over in another way.
func (a *attempt) namedSecrets() []string {
	var names []string
	for _, name := range a.s.Task().Stage.Secrets {
		if _, set := a.s.Secret(name); set && !slices.Contains(awsVariables, name) {
			names = append(names, name)
		}
	}
	return names
}

var awsVariables = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} //nolint:gochecknoglobals // a constant list; Go has no constant slices
