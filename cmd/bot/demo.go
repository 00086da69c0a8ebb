package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/dashboard"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// demoFlags are the flags of `slipway demo`.
type demoFlags struct {
	once     bool
	addr     string
	verbose  bool
	log      string
	registry string
}

func demoCommand() *cobra.Command {
	var flags demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Everything on this machine, no GitHub account: a push, its run, the pages",
		Long: `Starts a GitHub stand-in with the example repository, the bot beside it, pushes a commit and shows
its run live. Then it waits, so that you can look at the pages and act on the stand-in's.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return demo(cmd.Context(), flags) },
	}
	cmd.Flags().BoolVar(&flags.once, "once", false, "exit after the run, with its status")
	cmd.Flags().StringVar(&flags.addr, "addr", "127.0.0.1:8080", "where the bot's pages are; another port is taken when this one is not free")
	cmd.Flags().BoolVarP(&flags.verbose, "verbose", "v", false, "show the logs of all stages")
	cmd.Flags().StringVar(&flags.registry, "registry", "", "publish to this registry on this machine, whose images stand in for Docker Hub's (scripts/registry up), and start none")
	cmd.Flags().StringVar(&flags.log, "log", "", "write the bot's log to this file")
	return cmd
}

const (
	demoRepository = "acme/inventory-manager"
	demoSecret     = "the demo's own webhook secret" //nolint:gosec // of a stand-in that lives as long as the demo
)

func demo(ctx context.Context, flags demoFlags) (err error) {
	work, err := os.MkdirTemp("", "slipway-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	screen := newScreen(os.Stdout, flags.verbose)
	defer func() { err = errors.Join(err, screen.Close()) }()

	machine, err := startDemoMachine(ctx, work, flags, screen.Say)
	if err != nil {
		return flags.orEnded(ctx, err)
	}
	defer func() { err = errors.Join(err, machine.Stop()) }() //nolint:contextcheck // it clears up whatever became of ctx
	github, err := demoGitHub(ctx, filepath.Join(work, "github"), machine)
	if err != nil {
		return flags.orEnded(ctx, err)
	}
	defer func() { err = errors.Join(err, github.Close()) }() //nolint:contextcheck // it closes whatever became of ctx
	listener, err := listenNear(ctx, flags.addr)
	if err != nil {
		return flags.orEnded(ctx, err)
	}
	log, closeLog, err := demoLog(flags.log)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, closeLog()) }()

	settings := demoSettings(github, "http://"+listener.Addr().String(), work)
	if err := github.SetCallbackURLs(dashboard.CallbackURL(settings.PublicURL)); err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := machine.use(&settings); err != nil {
		return errors.Join(err, listener.Close())
	}
	settings.CacheDir = personalCache(work, screen.Say)
	mode, reason := sandbox.Detect(ctx)
	if mode == sandbox.ModeNone && ctx.Err() == nil {
		screen.Say("No sandbox can be had (" + reason + "): the example's stages run unsandboxed, as you.")
	}
	ended := newFinish()
	ended.waiting = true
	b, err := newBot(ctx, settings, surroundings{sandboxMode: mode, watcher: watchers{screen, ended}, unavailable: machine.unavailable}, log)
	if err != nil {
		return errors.Join(flags.orEnded(ctx, err), listener.Close())
	}
	if err := b.start(ctx); err != nil {
		return errors.Join(flags.orEnded(ctx, err), listener.Close(), b.stop(context.WithoutCancel(ctx)))
	}
	show := demoShow{flags: flags, github: github, bot: b, work: work, public: settings.PublicURL, say: screen.Say, ended: ended}
	return show.play(ctx, listener)
}

// demoShow is a demo with everything in its place.
type demoShow struct {
	flags        demoFlags
	github       *githubtest.GitHub
	bot          *bot
	work, public string
	say          func(string)
	ended        *finish
}

// play lets the bot serve, pushes, waits as the flags say, and ends everything in order.
func (d demoShow) play(ctx context.Context, listener net.Listener) error {
	serving, endServing := context.WithCancel(context.WithoutCancel(ctx))
	defer endServing()
	served := make(chan error, 1)
	go func() { served <- d.bot.serveUntil(serving, listener) }()
	d.github.SetWebhook(d.public+"/api/github/hook", demoSecret)

	run, err := demoPush(ctx, d.github, d.work, d.say, d.ended)
	switch {
	case err != nil:
		err = d.flags.orEnded(ctx, err)
	case d.flags.once:
		err = outcome(run)
	default:
		demoWait(ctx, d.say, d.public, d.github.URLs().Web, run)
	}
	d.github.SetWebhook("", "") // nothing new begins
	err = errors.Join(err, d.bot.endRuns(ctx, d.ended))
	d.bot.letReportsOut(ctx)
	endServing()
	return errors.Join(err, <-served)
}

// orEnded is the end for what went wrong because the person ended the demo: only --once promised a run's status.
func (f demoFlags) orEnded(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case f.once:
		return silentError{exitFailed}
	}
	return nil
}

// endRuns cancels what still runs, since the folder it runs in goes with the demo, and waits for its end.
func (b *bot) endRuns(ctx context.Context, ended *finish) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	for {
		open, err := b.db.Runs(ctx, pipeline.RunFilter{OpenOnly: true})
		if err != nil {
			return fmt.Errorf("runs that go on: %w", err)
		}
		if len(open) == 0 {
			return nil
		}
		for _, run := range open {
			if _, err := b.service.Cancel(ctx, run.ID, "the demo was ended"); err != nil {
				return err
			}
		}
		select {
		case <-ended.changed:
		case <-ctx.Done():
			return fmt.Errorf("%d run(s) did not end within %s of being cancelled", len(open), shutdownTime)
		}
	}
}

// watchers tells several observers.
type watchers []pipeline.Observer

// RunChanged implements pipeline.Observer.
func (w watchers) RunChanged(run pipeline.Run) {
	for _, o := range w {
		o.RunChanged(run)
	}
}

// LogAppended implements pipeline.Observer.
func (w watchers) LogAppended(id int64, lines []pipeline.StoredLine) {
	for _, o := range w {
		o.LogAppended(id, lines)
	}
}

func demoSettings(github *githubtest.GitHub, public, work string) config.Config {
	app, urls := github.App(), github.URLs()
	return config.Config{
		WebURL: urls.Web, V3APIURL: urls.REST, V4APIURL: urls.GraphQL, AppID: app.ID, PrivateKey: string(app.PrivateKey),
		WebhookSecret: demoSecret, OAuthClientID: app.ClientID, OAuthClientSecret: app.ClientSecret, PublicURL: public, DataDir: filepath.Join(work, "data"),
		Secrets: "dir:" + filepath.Join(work, "secrets"), PointsPerMinute: 900, Concurrency: config.DefaultConcurrency(),
		Network: sandbox.NetworkHost,
	}
}

func demoWait(ctx context.Context, say func(string), public, web string, run pipeline.Run) {
	for _, line := range []string{
		"",
		fmt.Sprintf("  The run        %s/%s/runs/%d", public, demoRepository, run.Number),
		fmt.Sprintf("  All runs       %s/", public),
		fmt.Sprintf("  The stand-in   %s%s", web, demoRepository),
		"                 (there you can push, open a pull request, comment, and click a check's buttons)",
		"  Sign in        on the pages, as alice, bob or carol: the stand-in asks who you are",
		"",
		"  Ctrl-C ends the demo.",
	} {
		say(line)
	}
	<-ctx.Done()
}

// listenNear takes the wanted address, or any free port of the same host.
func listenNear(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		return listener, nil
	}
	host, _, splitErr := net.SplitHostPort(addr)
	if splitErr != nil {
		return nil, usageError{fmt.Errorf("--addr %q is not host:port", addr)}
	}
	if listener, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", host, err)
	}
	return listener, nil
}

func demoLog(path string) (zerolog.Logger, func() error, error) {
	if path == "" {
		return zerolog.Nop(), func() error { return nil }, nil
	}
	file, err := os.Create(path) //nolint:gosec // the path is the caller's own argument
	if err != nil {
		return zerolog.Nop(), nil, fmt.Errorf("--log: %w", err)
	}
	return zerolog.New(file).With().Timestamp().Logger(), file.Close, nil
}
