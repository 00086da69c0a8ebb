// Package image is the stage that builds a container image, scans it, and, in its second step, publishes it.
//
// The first step builds beside the tests and pushes nothing. What it has built lies as an OCI layout in the repository's
// cache until the second step, which runs once everything the stage needs has passed.
package image

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Settings are the keys of `with`.
type Settings struct {
	Repository string `json:"repository,omitempty"`
	// Context and Dockerfile are paths in the checkout; without a Dockerfile it is the one in the context.
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile,omitempty"`
	Target     string            `json:"target,omitempty"`
	Platforms  []string          `json:"platforms,omitempty"`
	BuildArgs  map[string]string `json:"build-args,omitempty"`
	Tags       []string          `json:"tags"`
	Push       string            `json:"push"`
	Cache      string            `json:"cache"`
	Scan       ScanSettings      `json:"scan"`
	SBOM       bool              `json:"sbom"`
	Provenance bool              `json:"provenance"`
}

// ScanSettings is `scan`.
type ScanSettings struct {
	// FailOn is the least severity that fails the stage; none: nothing does.
	FailOn        pipeline.Severity `json:"fail-on"`
	IgnoreUnfixed bool              `json:"ignore-unfixed"`
}

// Values of settings.
const (
	pushNever     = "never"
	cacheRegistry = "registry"
	cacheLocal    = "local"
	cacheNone     = "none"
)

// Options are what the stage needs of the world beside its session.
type Options struct {
	// Builder is where BuildKit is; Insecure are the registries that are spoken to without TLS.
	Builder  buildkit.Settings
	Insecure []string
	// CommitTime is when the checked-out commit was made; nil, or the zero time: it is not known.
	CommitTime func(ctx context.Context, s runner.Session) (time.Time, error)
	Now        func() time.Time
	// MaxContext bounds the build context in bytes; 0: 4 GiB.
	MaxContext int64
	// Backoff of requests to registries; zero: the usual one.
	Backoff registry.Backoff
}

const defaultMaxContext = 4 << 30

// Stage runs one task.
type Stage struct{ options Options }

// New makes the stage.
func New(o Options) *Stage {
	if o.MaxContext == 0 {
		o.MaxContext = defaultMaxContext
	}
	return &Stage{options: o}
}

var _ runner.Stage = (*Stage)(nil)

// attempt is one step of one run of the stage.
type attempt struct {
	options  Options
	s        runner.Session
	settings Settings
	login    access
}

// Run carries out the step that the task names.
func (st *Stage) Run(ctx context.Context, s runner.Session) (pipeline.Verdict, error) {
	a := &attempt{options: st.options, s: s, settings: Settings{
		Context: ".", Tags: []string{tagBranch, tagSHA, tagLatest}, Push: "auto", Cache: cacheRegistry,
		Scan: ScanSettings{FailOn: pipeline.SeverityCritical}, SBOM: true, Provenance: true,
	}}
	if err := s.Task().Settings(&a.settings); err != nil {
		return pipeline.Verdict{}, fmt.Errorf("settings of stage %s: %w", s.Task().Stage.ID, err)
	}
	if a.settings.Repository == "" && a.settings.Cache == cacheRegistry {
		a.settings.Cache = cacheLocal
	}
	step := a.prepare
	if s.Task().Phase == pipeline.PhaseApply {
		step = a.apply
	}
	verdict, err := step(ctx)
	if ctx.Err() != nil {
		return pipeline.Verdict{}, context.Cause(ctx)
	}
	if told, ok := a.told(err); ok {
		return told, nil
	}
	return verdict, err
}

// red is a verdict that travels as an error.
type red struct{ verdict pipeline.Verdict }

func (r *red) Error() string { return r.verdict.Title + ": " + r.verdict.Cause }

// fail is a failure that the commit or its configuration is to blame for.
func fail(title, cause string) error {
	return &red{pipeline.Verdict{Status: pipeline.StatusFailure, Title: title, Cause: cause}}
}

// told makes verdicts of the errors that are about the stage's subject, and logs their cause for diagnosis.
func (a *attempt) told(err error) (pipeline.Verdict, bool) {
	verdict := pipeline.Verdict{Status: pipeline.StatusFailure}
	if r, ok := errors.AsType[*red](err); ok {
		verdict = r.verdict
	} else if p, ok := errors.AsType[*registry.Problem](err); ok {
		verdict.Title, verdict.Cause, verdict.Infrastructure = p.Title, p.Cause, p.Temporary
	} else if p, ok := errors.AsType[*awscloud.Problem](err); ok {
		verdict.Title, verdict.Cause = p.Title, p.Cause
	} else if u, ok := errors.AsType[*buildkit.UnavailableError](err); ok {
		verdict.Title, verdict.Cause, verdict.Infrastructure = "There is no builder for images", sentence(u.Error())+
			" An image stage needs a BuildKit daemon (the server's setting SLIPWAY_BUILDKIT) or a Docker engine.", u.Tried != ""
	} else if k, ok := errors.AsType[*buildkit.KeyError](err); ok {
		verdict.Title, verdict.Cause = "The secret "+secretSSH+" cannot be used", sentence(k.Error())
	} else {
		return pipeline.Verdict{}, false
	}
	a.s.Log(verdict.Cause)
	return verdict, true
}

// task is short for what is asked most.
func (a *attempt) task() pipeline.Task { return a.s.Task() }

// publishes reports whether this run's second step will push.
func (a *attempt) publishes() bool {
	return a.settings.Push != pushNever && a.settings.Repository != "" && a.task().Stage.Steps == pipeline.PrepareThenApply
}
