package registry_test

import (
	"os"
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

// world is shared by the tests.
var world *imagetest.World

func TestMain(m *testing.M) { os.Exit(imagetest.Main(m, &world, imagetest.StartRegistries, nil)) }
