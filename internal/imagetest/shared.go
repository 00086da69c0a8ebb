package imagetest

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// Main runs a package's tests with registries, and where start says so a BuildKit, that they share: those take seconds to
// start. Where nobody asked for them there are none, and world stays nil. prepare is done before the tests; nil: nothing.
func Main(m *testing.M, world **World, start func(context.Context) (*World, error), prepare func(context.Context) error) (code int) {
	if !Wanted() {
		return m.Run()
	}
	ctx := context.Background()
	started, err := start(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	*world = started
	defer func() {
		if err := started.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}()
	if prepare != nil {
		if err := prepare(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// Need skips a test where what it shares was not asked for.
func (w *World) Need(tb testing.TB) {
	tb.Helper()
	if w == nil {
		tb.Skip("registries and BuildKit are started by root with SLIPWAY_E2E=1, once docker-registry is installed and scripts/tools buildkit trivy has built the others")
	}
}
