// Package kubernetes is the stage that deploys manifests to a cluster: it shows what would change, then applies exactly
// that and waits until it runs.
package kubernetes

import (
	"context"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Options are what the stage needs of the world beside its session.
type Options struct {
	Now func() time.Time
	// Smoke asks canaries.
	Smoke runner.Stage
}

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage { return &Stage{options: o} }

var _ runner.Stage = (*Stage)(nil)

// Run prepares (renders, checks and compares, which changes nothing) or applies what was prepared.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	d := deploy{s: s, task: s.Task(), now: st.options.Now, smoke: st.options.Smoke}
	if err := d.task.Settings(&d.settings); err != nil {
		return pipeline.Verdict{}, fmt.Errorf("settings of stage %s: %w", d.task.Stage.ID, err)
	}
	d.settings.complete()
	d.secrets = newSecretValues(d.task, s.Secret)
	d.marks = marksOf(d.task)
	run := d.prepare
	switch d.task.Phase {
	case pipeline.PhaseApply:
		run = d.carryOut
	case pipeline.PhaseRestore:
		run = d.bringBack
	case pipeline.PhaseNone, pipeline.PhasePrepare:
	}
	verdict, err := run(ctx)
	if err != nil && ctx.Err() == nil {
		if told, is := verdictOf(s, err); is {
			return told, nil
		}
	}
	return verdict, err
}

// deploy is one task of the stage.
type deploy struct {
	s        runner.Session
	task     pipeline.Task
	settings Settings
	now      func() time.Time
	smoke    runner.Stage
	secrets  secretValues
	marks    marks

	world *world
	// namespace is where objects go that name none, and where the inventory is.
	namespace string
	objects   []*object
	images    []replaced
}

// proposed: only a look at what would be, in a pull request or for /plan.
func (d *deploy) proposed() bool { return d.task.Stage.Steps == pipeline.PrepareOnly }

func (d *deploy) rollback() bool { return d.task.Restores != nil }

// take: fields that somebody else manages become ours. A rollback has shown what it takes.
func (d *deploy) take() bool { return d.settings.Conflicts == conflictsTake || d.rollback() }

// connect reaches the cluster.
func (d *deploy) connect(ctx context.Context) error {
	return d.s.Step(ctx, "Reach the cluster", func(ctx context.Context) (string, error) {
		access, err := cluster.Open(ctx, d.s)
		if err != nil {
			return "", err
		}
		d.world = &world{Access: access, now: d.now, log: d.s.Log}
		return access.Name + ", Kubernetes " + access.Version.GitVersion, nil
	})
}

// fallback is the namespace of objects that name none.
func (d *deploy) fallback() string {
	switch {
	case d.settings.Namespace != "":
		return d.settings.Namespace
	case d.world != nil:
		return d.world.Namespace
	default:
		return "default"
	}
}

// setHome decides where the inventory is: in the stage's namespace, else in the only one its objects are in.
func (d *deploy) setHome() {
	d.namespace = d.fallback()
	if d.settings.Namespace != "" {
		return
	}
	only := ""
	for _, o := range d.objects {
		switch ns := o.GetNamespace(); {
		case ns == "" || ns == only:
		case only == "":
			only = ns
		default:
			return // several: the fallback
		}
	}
	if only != "" {
		d.namespace = only
	}
}

func (d *deploy) inventory() *inventory {
	return &inventory{
		world: d.world, name: "slipway-" + inventoryID(d.task), namespace: d.namespace,
		holder: fmt.Sprintf("run %d of %s", d.task.RunNumber, d.task.Trigger.Repository.FullName()),
		stage:  d.task.Trigger.Repository.FullName() + ": " + d.task.Stage.Key,
	}
}

func (d *deploy) waiter() *waiter {
	return &waiter{world: d.world, timeout: time.Duration(d.settings.Timeout), progress: d.s.Progress, since: d.now()}
}

// releaseFile is the name under which exactly what is to be applied is kept, encrypted: for the second step, and with the
// release.
func (d *deploy) releaseFile() string { return "release/" + d.task.Stage.Key + ".manifests.yaml" }
