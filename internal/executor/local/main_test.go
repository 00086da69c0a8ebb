package local_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/slipwayhq/slipway/internal/executor/executortest"
	"github.com/slipwayhq/slipway/internal/runner"
)

// TestMain makes this binary a runner when it is started as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "runner" {
		if err := runner.Main(context.Background(), os.Args[2], executortest.Deps()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := os.Setenv(executortest.SealedVariable, "a secret of the bot"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
