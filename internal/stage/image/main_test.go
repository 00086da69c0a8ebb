package image

import (
	"context"
	"os"
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

// world is shared by the tests.
var world *imagetest.World

func TestMain(m *testing.M) { os.Exit(imagetest.Main(m, &world, imagetest.Start, publishBases)) }

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
