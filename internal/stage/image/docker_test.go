package image

import (
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

func startDocker(t *testing.T) string {
	t.Helper()
	host, stop, err := imagetest.StartDocker(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return host
}
