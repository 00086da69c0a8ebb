package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/githubtest"
)

// demoMachine is what the demo has of this machine besides itself: what builds and keeps images, and a cluster.
type demoMachine struct {
	images  demoImages
	cluster demoCluster
}

func startDemoMachine(ctx context.Context, work string, flags demoFlags, say func(string)) (m demoMachine, err error) {
	if m.images, err = startDemoImages(ctx, filepath.Join(work, "images"), flags.registry, say); err != nil {
		return m, err
	}
	m.cluster = findDemoCluster(ctx, m.images, say)
	return m, nil
}

// unavailable says why the demo has no use for a stage kind.
func (m demoMachine) unavailable(uses string) string {
	switch uses {
	case "image":
		return m.images.lacks
	case "terraform":
		return "the demo has no AWS account to plan for"
	case "kubernetes", "smoke":
		return m.cluster.lacks
	default:
		return ""
	}
}

// adapt has the example use what there is.
func (m demoMachine) adapt(files githubtest.Files) error {
	return errors.Join(m.images.redirect(files), m.cluster.adapt(files))
}

// use points the bot to what there is.
func (m demoMachine) use(settings *config.Config) error {
	m.images.use(settings)
	return m.cluster.secrets(strings.TrimPrefix(settings.Secrets, "dir:"))
}

// Stop ends what was started, and deletes what was deployed.
func (m demoMachine) Stop() error { return errors.Join(m.cluster.Stop(), m.images.Stop()) }
