package registry_test

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
	var err error
	if world, err = imagetest.StartRegistries(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := world.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	return m.Run()
}

func need(t *testing.T) {
	t.Helper()
	if world == nil {
		t.Skip("registries are started with SLIPWAY_E2E=1, where docker-registry is installed")
	}
}
