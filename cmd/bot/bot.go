package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/dashboard"
	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/handlers"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pipelinefile"
	"github.com/slipwayhq/slipway/internal/queue"
	"github.com/slipwayhq/slipway/internal/secret"
)

// bot is the GitHub App: the core with everything that faces GitHub.
type bot struct {
	*core
	forge       forge
	dispatcher  *handlers.Dispatcher
	desk        *chatops.Desk
	rules       *pipelinefile.Loader
	keeper      *environment.Keeper
	watch       *environment.Watch
	deployments *checks.Deployments
	observers   []pipeline.Observer
	reporter    *checks.Reporter
	stickies    *checks.Stickies
	recovery    *githubclient.Recovery
	stream      *dashboard.Stream
	signedIn    *dashboard.SignedIn // nil: nobody can sign in
	handler     http.Handler
	reconciler  *handlers.Reconciler

	endBackground context.CancelFunc
	background    sync.WaitGroup
}

// surroundings are what differs between a server and the demo.
type surroundings struct {
	sandboxMode string
	// watcher, where set, is told of every change too.
	watcher pipeline.Observer
	// unavailable says why a stage kind cannot be carried out here; nil: all can.
	unavailable func(uses string) string
}

// newBot builds the App from its settings.
func newBot(ctx context.Context, settings config.Config, surroundings surroundings, log zerolog.Logger) (*bot, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	pool, err := githubclient.New(githubclient.Config{
		WebURL: settings.WebURL, V3: settings.V3APIURL, V4: settings.V4APIURL, AppID: settings.AppID,
		PrivateKey: []byte(settings.PrivateKey), UserAgent: "slipway/" + version, Logger: log, Registry: registry,
		PointsPerMinute: settings.PointsPerMinute,
	})
	if err != nil {
		return nil, err
	}
	secrets, err := secret.Parse(ctx, settings.Secrets)
	if err != nil {
		return nil, fmt.Errorf("SLIPWAY_SECRETS: %w", err)
	}
	warnOfSecrets(ctx, secrets, log)
	dataDir, err := filepath.Abs(settings.DataDir)
	if err != nil {
		return nil, fmt.Errorf("SLIPWAY_DATA_DIR: %w", err)
	}
	cacheDir := settings.CacheDir
	if cacheDir == "" {
		cacheDir = filepath.Join(dataDir, "cache")
	}
	definitions := pipelinefile.NewLoader(pool)
	b := &bot{forge: forge{pool}, stream: dashboard.NewStream(), rules: definitions}
	b.core, err = newCore(ctx, coreOptions{
		dataDir: dataDir, cacheDir: cacheDir, concurrency: settings.Concurrency,
		runner: runnerOptions(settings, surroundings.sandboxMode), unavailable: surroundings.unavailable, definitions: definitions, forge: pool, secrets: secrets,
		source: pipeline.GitSourceOf, deliver: b.deliver, log: log,
		gate: b.gate, announce: b.announce, drift: b.drift,
		undecided: func(ctx context.Context, run int64, name string, cause error) error {
			return b.keeper.GiveUp(ctx, run, name, cause)
		},
		observers: func(c *core) []pipeline.Observer {
			b.observers = append(b.mirrors(c, settings), b.stream)
			if surroundings.watcher != nil {
				b.observers = append(b.observers, surroundings.watcher)
			}
			return b.observers
		},
	})
	if err != nil {
		return nil, err
	}
	if err := b.face(settings, definitions, registry); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// face builds what GitHub and people talk to.
func (b *bot) face(settings config.Config, definitions *pipelinefile.Loader, registry *prometheus.Registry) error {
	now := pipeline.SystemClock{}.Now
	b.keeper = newKeeper(b)
	b.watch = newWatch(b)
	b.desk = newDesk(b, settings.PublicURL)
	err := b.signIn(settings)
	if err != nil {
		return err
	}
	b.dispatcher, err = handlers.NewDispatcher(b.log, eventHandlers(b, settings.AppID)...)
	if err != nil {
		return err
	}
	b.recovery = b.forge.NewRecovery(b.db)
	b.reconciler = &handlers.Reconciler{
		Service: b.service, Runs: b.db, Heads: b.forge, Commits: b.forge, Drift: b.watch, Repositories: b.forge.installedRepositories,
		Definition: definitions.Definition, Now: now, Log: b.log,
	}
	hook, err := handlers.NewHook(inbox{b.db}, settings.WebhookSecret, b.dispatcher.Knows, b.log)
	if err != nil {
		return err
	}
	base := basePath(settings.PublicURL)
	pages, err := dashboard.New(dashboard.Deps{
		Runs: b.db, Logs: b.artifacts, Artifacts: artifactFiles{b.artifacts}, Access: b.access(), Stream: b.stream,
		Places: places{b.db, b.rules}, Desk: pageDesk{b.desk}, BasePath: base, Log: b.log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+base+"/api/github/hook", hook)
	mux.HandleFunc("GET "+base+"/healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "alive\n") })
	mux.Handle("GET "+base+"/readyz", newReadiness(b.db.Ping, b.forge.credentials))
	mux.Handle("GET "+base+"/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", pages)
	b.handler = mux
	return nil
}

func basePath(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

// deliver handles one delivery of the inbox.
func (b *bot) deliver(ctx context.Context, guid string) error {
	d, err := b.db.Delivery(ctx, guid)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil // swept
	}
	if err != nil {
		return err
	}
	if d.FinishedAt.IsZero() {
		err := b.dispatcher.Dispatch(handlers.WithReceived(ctx, d.ReceivedAt), guid, d.Event, d.Payload)
		if notYet, ok := errors.AsType[*chatops.NotYetError](err); ok {
			return queue.Snooze(notYet.After)
		}
		if err != nil {
			return fmt.Errorf("delivery %s (%s): %w", guid, d.Event, err)
		}
	}
	return b.db.DeliveryDone(ctx, guid)
}

// start begins to work; what was missed while nobody listened is looked for in the background.
func (b *bot) start(ctx context.Context) error {
	b.reporter.Start()
	b.stickies.Start()
	if err := b.core.start(ctx); err != nil {
		return err
	}
	b.recovery.Start() //nolint:contextcheck // it ends with Stop
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.endBackground = cancel
	b.background.Go(func() {
		if err := b.keeper.Resume(background); err != nil && background.Err() == nil {
			b.log.Warn().Err(err).Msg("what waits before environments could not all be looked at")
		}
		if err := b.reconciler.Reconcile(background); err != nil && background.Err() == nil {
			b.log.Warn().Err(err).Msg("heads of branches and pull requests could not all be compared with the runs")
		}
	})
	return nil
}

// stop ends in the reverse order; what is not written to GitHub yet is written after the next start.
func (b *bot) stop(ctx context.Context) error {
	if b.endBackground != nil {
		b.endBackground()
		b.recovery.Stop()
	}
	b.background.Wait()
	err := b.queue.Stop(ctx)
	b.reporter.Stop()
	b.stickies.Stop()
	return errors.Join(err, b.close())
}

// letReportsOut waits until GitHub shows the end of everything, or ctx or a short time ends.
func (b *bot) letReportsOut(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := errors.Join(b.reporter.Flush(ctx), b.stickies.Flush(ctx)); err != nil {
		b.log.Warn().Err(err).Msg("not everything is on GitHub yet")
	}
}

// readiness answers /readyz. GitHub is asked at most once a minute, however often the probe comes.
type readiness struct {
	database, github func(ctx context.Context) error

	mu      sync.Mutex
	asked   time.Time
	problem error
}

const readinessAge = time.Minute

func newReadiness(database, github func(ctx context.Context) error) *readiness {
	return &readiness{database: database, github: github}
}

func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if err := r.database(req.Context()); err != nil {
		writeText(w, http.StatusServiceUnavailable, "database: "+err.Error()+"\n")
		return
	}
	if err := r.credentials(req.Context()); err != nil {
		writeText(w, http.StatusServiceUnavailable, "GitHub credentials: "+err.Error()+"\n")
		return
	}
	writeText(w, http.StatusOK, "ready\n")
}

func (r *readiness) credentials(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) > readinessAge || r.problem != nil {
		r.asked, r.problem = time.Now(), r.github(ctx)
	}
	return r.problem
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client has gone: nobody to tell
}
