package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

func serveCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the GitHub App: webhooks, queue, engine, pages", Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := config.Load(file, config.Environ())
			if err != nil {
				return err
			}
			return serve(cmd.Context(), settings)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML file with settings; the environment wins over it")
	return cmd
}

// shutdownTime is how long requests and short jobs may take to end.
const shutdownTime = 30 * time.Second

func serve(ctx context.Context, settings config.Config) error {
	log := newLogger(os.Stderr, settings.LogLevel, settings.LogFormat)
	mode, err := sandboxMode(ctx, settings.AllowUnsandboxed, log)
	if err != nil {
		return err
	}
	b, err := newBot(ctx, settings, surroundings{sandboxMode: mode}, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", settings.Addr)
	if err != nil {
		return errors.Join(listenError(settings.Addr, err), b.stop(ctx))
	}
	if err := b.start(ctx); err != nil {
		return errors.Join(err, listener.Close(), b.stop(ctx))
	}
	log.Info().Str("address", listener.Addr().String()).Str("public", settings.PublicURL).Str("version", version).
		Str("sandbox", mode).Bool("sign_in", settings.SignIn()).Msg("slipway is ready")
	return b.serveUntil(ctx, listener)
}

// listenError says what to do about an address that cannot be had.
func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens on %s: stop it, or set SLIPWAY_ADDR to a free address", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen on %s: set SLIPWAY_ADDR to a port above 1023", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine has no address %s: set SLIPWAY_ADDR to one it has", addr)
	}
	return fmt.Errorf("listen on SLIPWAY_ADDR: %w", err)
}

// warnOfSecrets tells of a folder of secrets that others can read, and of credentials that cannot be had.
func warnOfSecrets(ctx context.Context, source pipeline.SecretSource, log zerolog.Logger) {
	looked, ok := source.(interface {
		Warnings(ctx context.Context) ([]string, error)
	})
	if !ok {
		return
	}
	warnings, err := looked.Warnings(ctx)
	if err != nil {
		log.Warn().Err(err).Msg("the source of secrets cannot be looked through")
	}
	for _, warning := range warnings {
		log.Warn().Msg(warning)
	}
}

// serveUntil answers requests until ctx ends, then lets everything end in order.
func (b *bot) serveUntil(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: b.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		b.log.Info().Msg("stopping; running stages go on and are found again at the next start")
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	b.stream.Close() // open event streams would hold up the shutdown
	if closed := server.Shutdown(stopping); closed != nil && err == nil {
		err = fmt.Errorf("shut down the listener: %w", closed)
	}
	return errors.Join(err, b.stop(stopping))
}

// sandboxMode finds out how repository code is kept apart, and refuses to serve without.
func sandboxMode(ctx context.Context, allowNone bool, log zerolog.Logger) (string, error) {
	mode, reason := sandbox.Detect(ctx)
	switch {
	case mode != sandbox.ModeNone:
		return mode, nil
	case allowNone:
		log.Warn().Str("reason", reason).Msg("stages run without a sandbox, as SLIPWAY_ALLOW_UNSANDBOXED says: " +
			"the code of every repository can read what this process can")
		return mode, nil
	default:
		return "", fmt.Errorf("no sandbox can be had (%s), so the code of repositories would run unprotected; "+
			"install bubblewrap and allow user namespaces, or accept the risk with SLIPWAY_ALLOW_UNSANDBOXED=true", reason)
	}
}

// runnerOptions are the settings of stages on this server.
func runnerOptions(settings config.Config, mode string) runner.Options {
	options := runner.Options{Sandbox: mode, Network: settings.Network, PassEnv: passedVariables()}
	for _, hidden := range []string{
		os.Getenv("GITHUB_APP_PRIVATE_KEY_FILE"), secretsFolder(settings.Secrets), os.Getenv("AWS_SHARED_CREDENTIALS_FILE"),
		os.Getenv("AWS_CONFIG_FILE"), os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
	} {
		if path, err := filepath.Abs(hidden); err == nil && hidden != "" {
			options.Hide = append(options.Hide, path)
		}
	}
	return withBuilder(options, settings)
}
