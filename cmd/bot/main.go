// Command slipway takes commits from pull request to production: a GitHub App, and the same pipeline on one's own machine.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
)

// Set by the linker.
//
//nolint:gochecknoglobals // the linker writes variables only
var (
	version = "development"
	commit  = "unknown"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the run failed, or the command could not do its work
	exitUsage  = 2
)

// usageError marks mistakes in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// silentError ends with a code; everything has been said.
type silentError struct{ code int }

func (e silentError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), endSignals()...)
	defer stop()
	root := rootCommand()
	root.SetArgs(args)
	// After the first signal the default handling is back: a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	err := root.ExecuteContext(ctx)
	var silent silentError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return silent.code
	}
	fmt.Fprintln(os.Stderr, "slipway: "+err.Error())
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintln(os.Stderr, "Run 'slipway --help' for usage.")
		return exitUsage
	}
	return exitFailed
}

// endSignals ask the program to end. The terminal that went away does too, but for a program started with nohup.
func endSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "slipway",
		Short: "From pull request to production, stage by stage, as GitHub Check Runs",
		Long: `Slipway is a self-hosted GitHub App. It runs the stages of .github/slipway.yml for pushes and
pull requests and reports each of them as a Check Run.

Try it without a GitHub account:   slipway demo
Run the pipeline of a checkout:    slipway run .`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(serveCommand(), demoCommand(), runCommand(), validateCommand(), auditCommand(), versionCommand(), runnerCommand())
	return root
}

// arguments limits the number of positional arguments; too many are a usage error.
func arguments(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > most {
			return usageError{fmt.Errorf("%s takes at most %d argument(s), not %d", cmd.CommandPath(), most, len(args))}
		}
		return nil
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit and Go version", Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "slipway %s\ncommit  %s\ngo      %s\n", version, commit, runtime.Version())
			return err
		},
	}
}
