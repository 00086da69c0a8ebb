package image

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

// world is shared by the tests: registries and a BuildKit take seconds to start. It is nil where nobody asked for them.
var world *imagetest.World

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if !imagetest.Wanted() {
		return m.Run()
	}
	ctx := context.Background()
	var err error
	if world, err = imagetest.Start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := world.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err := publishBases(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// publishBases makes the images that Dockerfiles of the tests begin with: base:1, and base:2-slim, which has nothing that
// the database of the tests knows.
func publishBases(ctx context.Context) error {
	old, err := imagetest.Base(nil)
	if err != nil {
		return err
	}
	fixed, err := imagetest.Base(map[string]string{
		"var/lib/dpkg/status": "Package: openssl\nStatus: install ok installed\nVersion: 3.0.15-1\nArchitecture: amd64\nMaintainer: nobody\n\n",
	})
	if err != nil {
		return err
	}
	if err := world.Publish(ctx, "library/base:1", old); err != nil {
		return err
	}
	return world.Publish(ctx, "library/base:2-slim", fixed)
}

func need(t *testing.T) {
	t.Helper()
	if world == nil {
		t.Skip("BuildKit and registries are started by root with SLIPWAY_E2E=1, once scripts/tools buildkit trivy has built them")
	}
}
