package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
	"github.com/slipwayhq/slipway/internal/secret"
	"github.com/slipwayhq/slipway/internal/terminal"
)

// runFlags are the flags of `slipway run`.
type runFlags struct {
	stage, event, branch, environment, secrets string
	json, verbose                              bool
}

func runCommand() *cobra.Command {
	var flags runFlags
	cmd := &cobra.Command{
		Use:   "run [DIR]",
		Short: "Run the pipeline of a checkout without GitHub",
		Long: `Run the pipeline of the checkout in DIR (default: here) without GitHub.

The files are copied as they lie there, with what is not committed yet; nothing in DIR is changed.
The exit code is 0 when the run passed and 1 when it failed.`,
		Args: arguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return runHere(cmd.Context(), dir, flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.stage, "stage", "", "run only this stage")
	f.StringVar(&flags.event, "event", "push", "what to run it as: push or pull_request")
	f.StringVar(&flags.branch, "branch", "", "branch to run it as (default: the one checked out)")
	f.StringVar(&flags.environment, "environment", "", "consider only this environment")
	f.StringVar(&flags.secrets, "secrets", "dir:./secrets", "where secrets come from")
	f.BoolVar(&flags.json, "json", false, "print the run as JSON at the end; progress goes to standard error")
	f.BoolVarP(&flags.verbose, "verbose", "v", false, "show the logs of all stages")
	return cmd
}

func runHere(ctx context.Context, dir string, flags runFlags) (err error) {
	event := pipeline.Event(flags.event)
	if event != pipeline.EventPush && event != pipeline.EventPullRequest {
		return usageError{fmt.Errorf("--event is push or pull_request, not %q", flags.event)}
	}
	here, err := openCheckout(dir, flags.environment, flags.stage)
	if err != nil {
		return err
	}
	if err := here.problem(ctx); err != nil {
		return err
	}
	secrets, err := secret.Parse(ctx, flags.secrets)
	if err != nil {
		return usageError{fmt.Errorf("--secrets: %w", err)}
	}
	builder, err := personalBuilder()
	if err != nil {
		return usageError{err}
	}
	work, err := os.MkdirTemp("", "slipway-run-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	out := os.Stdout
	if flags.json {
		out = os.Stderr
	}
	screen := newScreen(out, flags.verbose)
	defer func() { err = errors.Join(err, screen.Close()) }()
	mode, reason := sandbox.Detect(ctx)
	if mode == sandbox.ModeNone {
		screen.Say("No sandbox can be had (" + reason + "): the stages run unsandboxed, as you.")
	}
	ended := newFinish()
	c, err := newCore(ctx, coreOptions{
		dataDir: work, cacheDir: personalCache(work, screen.Say), concurrency: 0,
		runner:      withBuilder(runner.Options{Sandbox: mode, Network: sandbox.NetworkHost, PassEnv: passedVariables()}, builder),
		definitions: here, forge: here, secrets: secrets,
		source:    func(pipeline.Trigger) pipeline.Source { return pipeline.Source{Directory: here.dir} },
		observers: func(*core) []pipeline.Observer { return []pipeline.Observer{screen, ended} },
		deliver:   func(context.Context, string) error { return nil }, // nothing is delivered here
		closed:    "`slipway run` changes no environment: deploy with a comment on a pull request",
		gate:      noEntry,
		announce:  noEntry,
		log:       zerolog.Nop(),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop(context.WithoutCancel(ctx))) }()
	if err := c.start(ctx); err != nil {
		return err
	}
	run, err := c.runToEnd(ctx, here.trigger(ctx, event, flags.branch), ended)
	if err != nil {
		return err
	}
	if flags.json {
		if err := json.NewEncoder(os.Stdout).Encode(run); err != nil {
			return err
		}
	}
	return outcome(run)
}

// noEntry is asked about nothing: no environment can be entered from here.
func noEntry(context.Context, int64, string) error { return nil }

// runToEnd submits a trigger and waits; when ctx ends first, the run is cancelled and its end awaited.
func (c *core) runToEnd(ctx context.Context, t pipeline.Trigger, ended *finish) (pipeline.Run, error) {
	run, err := c.service.Submit(ctx, t)
	if err != nil {
		return pipeline.Run{}, err
	}
	if final, ok := ended.wait(ctx, run); ok {
		return final, nil
	}
	over := context.WithoutCancel(ctx)
	if _, err := c.service.Cancel(over, run.ID, "interrupted"); err != nil {
		return pipeline.Run{}, err
	}
	final, _ := ended.wait(over, run)
	return final, nil
}

// outcome is the exit of a run.
func outcome(run pipeline.Run) error {
	if run.Status == pipeline.StatusSuccess || run.Status == pipeline.StatusSkipped {
		return nil
	}
	return silentError{exitFailed}
}

// finish is an observer that knows how runs ended.
type finish struct {
	changed chan pipeline.Run
	// waiting: runs that wait for a person are told, too.
	waiting bool
}

func newFinish() *finish { return &finish{changed: make(chan pipeline.Run, 64)} }

// RunChanged implements pipeline.Observer.
func (f *finish) RunChanged(run pipeline.Run) {
	if run.Status.Final() || f.waiting && run.Status == pipeline.StatusWaiting {
		select {
		case f.changed <- run:
		default: // nobody waits for so many
		}
	}
}

// LogAppended implements pipeline.Observer.
func (*finish) LogAppended(int64, []pipeline.StoredLine) {}

// wait returns the run at its end; false when ctx ends first.
func (f *finish) wait(ctx context.Context, run pipeline.Run) (pipeline.Run, bool) {
	if run.Status.Final() {
		return run, true
	}
	for {
		select {
		case ended := <-f.changed:
			if ended.ID == run.ID {
				return ended, true
			}
		case <-ctx.Done():
			return pipeline.Run{}, false
		}
	}
}

func newScreen(out *os.File, verbose bool) *terminal.Terminal {
	options := terminal.Detect(out, os.Getenv)
	options.Verbose = verbose
	return terminal.New(out, options)
}

// personalCache keeps environments and mirrors between runs of the same person; where nothing can be kept, for one run.
func personalCache(work string, say func(string)) string {
	base, err := os.UserCacheDir()
	dir := filepath.Join(base, "slipway")
	if err == nil {
		err = writable(dir)
	}
	if err != nil {
		say("Nothing is kept for the next run (" + err.Error() + "): each one prepares everything anew.")
		return filepath.Join(work, "cache")
	}
	return dir
}

// writable makes a folder where it is missing and reports why nothing can be written there.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
