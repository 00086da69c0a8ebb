package buildkit_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

// world is shared by the tests: a registry and a BuildKit take seconds to start. It is nil where nobody asked for them.
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
	base, err := imagetest.Base(nil)
	if err == nil {
		err = world.Publish(ctx, "library/base:1", base)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func need(t *testing.T) {
	t.Helper()
	if world == nil {
		t.Skip("BuildKit and registries are started by root with SLIPWAY_E2E=1, once scripts/tools buildkit has built them")
	}
}
