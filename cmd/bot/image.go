package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/image"
	"github.com/slipwayhq/slipway/internal/workspace/changes"
)

func imageStage(options runner.Options) runner.Stage {
	return image.New(image.Options{
		Builder:  buildkit.Settings{Address: options.BuildKit, Certificates: options.BuildKitCerts},
		Insecure: options.InsecureRegistries, CommitTime: commitTime, Now: time.Now,
	})
}

// commitTime is when the checked-out commit was made; zero in a folder without history.
func commitTime(ctx context.Context, s runner.Session) (time.Time, error) {
	made, err := changes.CommitTime(ctx, s.Dir())
	if errors.Is(err, changes.ErrUnknown) {
		return time.Time{}, nil
	}
	return made, err
}

// withBuilder adds what stages need to build images to their settings. The certificates are hidden from commands.
func withBuilder(options runner.Options, settings config.Config) runner.Options {
	options.BuildKit, options.InsecureRegistries = settings.BuildKit, settings.InsecureRegistries
	if settings.BuildKitCerts == "" {
		return options
	}
	if dir, err := filepath.Abs(settings.BuildKitCerts); err == nil {
		options.BuildKitCerts, options.Hide = dir, append(options.Hide, dir)
	}
	return options
}

// personalBuilder is where images are built for a person who runs a checkout: what the environment says.
func personalBuilder() (config.Config, error) { return config.Builder(os.Environ()) }
