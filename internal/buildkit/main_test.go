package buildkit_test

import (
	"context"
	"os"
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

// world is shared by the tests.
var world *imagetest.World

func TestMain(m *testing.M) { os.Exit(imagetest.Main(m, &world, imagetest.Start, publishBase)) }

func publishBase(ctx context.Context) error {
	base, err := imagetest.Base(nil)
	if err != nil {
		return err
	}
	return world.Publish(ctx, "library/base:1", base)
}
