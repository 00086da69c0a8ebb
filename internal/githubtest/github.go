package githubtest

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// GitHub is the stand-in. Its methods are safe for concurrent use.
type GitHub struct {
	opts     Options
	clock    Clock
	log      zerolog.Logger
	dir      string
	base     string // "http://127.0.0.1:4321", no slash
	listener net.Listener
	server   *http.Server
	served   chan struct{}
	hooks    *hookSender
	limiter  *limiter
	faults   *faults
	checker  *conformance
	secret   string // signs what only this server must be able to make

	mu            sync.Mutex // guards everything below; never held while git runs
	changed       chan struct{}
	lastID        int64
	accounts      map[string]*account
	repos         map[string]*repository
	renamed       map[string]int64 // repositories by a name they had, in lower case
	apps          map[int64]*app
	firstApp      *app
	installations map[int64]*installation
	tokens        map[string]*token
	manifestCodes map[string]manifestCode
	oauthCodes    map[string]*oauthCode
	refreshTokens map[string]refreshToken
	authorized    map[authorization]bool
	requests      []Request
	undelivered   int
}

// New makes the stand-in and takes its address; Start makes it answer.
func New(opts Options) (*GitHub, error) {
	if opts.Clock == nil {
		opts.Clock = systemClock{}
	}
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Dir == "" {
		return nil, errors.New("githubtest: Options.Dir is empty: name a folder for the repositories")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", opts.Dir, err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the repositories: %w", err)
	}
	if err := checkGit(); err != nil {
		return nil, err
	}
	listener, err := listenLoopback(opts.Addr)
	if err != nil {
		return nil, err
	}
	g := &GitHub{
		opts: opts, clock: opts.Clock, log: opts.Logger, dir: dir, listener: listener,
		base: "http://" + listener.Addr().String(), served: make(chan struct{}),
		limiter: newLimiter(opts.Limits), faults: &faults{}, secret: randomHex(32),
		changed: make(chan struct{}), lastID: 1000,
		accounts: map[string]*account{}, repos: map[string]*repository{}, renamed: map[string]int64{}, apps: map[int64]*app{},
		installations: map[int64]*installation{}, tokens: map[string]*token{}, manifestCodes: map[string]manifestCode{},
		oauthCodes: map[string]*oauthCode{}, refreshTokens: map[string]refreshToken{}, authorized: map[authorization]bool{},
	}
	if err := g.prepare(); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return g, nil
}

func (g *GitHub) prepare() error {
	if g.opts.Conformance != nil {
		checker, err := newConformance(g.opts.Conformance)
		if err != nil {
			return err
		}
		g.checker = checker
	}
	first, err := g.addApp(g.opts.App)
	if err != nil {
		return err
	}
	g.firstApp = first
	g.hooks = newHookSender(g)
	g.server = &http.Server{
		Handler:           g.handler(),
		ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.New(logWriter{g}, "", 0),
	}
	return nil
}

func listenLoopback(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q of the GitHub stand-in: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("address %q of the GitHub stand-in is not a loopback address: "+
			"its pages let anybody act as anybody, use 127.0.0.1", addr)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the GitHub stand-in: %w", err)
	}
	return listener, nil
}

// Start begins to answer requests and to send webhooks.
func (g *GitHub) Start() {
	g.hooks.start()
	go func() {
		defer close(g.served)
		if err := g.server.Serve(g.listener); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error().Err(err).Msg("GitHub stand-in stopped serving")
		}
	}()
}

// Close stops serving and sending and ends the git processes. Deliveries not yet sent stay unsent.
func (g *GitHub) Close() error {
	g.hooks.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := g.server.Shutdown(ctx)
	if err != nil { // connections that never end (a page's event stream) are cut
		err = g.server.Close()
	}
	if errL := g.listener.Close(); errL != nil && !errors.Is(errL, net.ErrClosed) {
		err = errors.Join(err, errL)
	}
	for _, repo := range g.allRepositories() {
		err = errors.Join(err, repo.git.close())
	}
	return err
}

func (g *GitHub) allRepositories() []*repository {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*repository, 0, len(g.repos))
	for _, repo := range g.repos {
		all = append(all, repo)
	}
	return all
}

// URLs are the addresses a client of the stand-in needs; they have the form of a GitHub Enterprise Server.
type URLs struct {
	// Web is the root of the pages, with a slash at its end.
	Web string
	// REST is the root of the REST API, with a slash at its end.
	REST string
	// GraphQL is the address of the GraphQL API.
	GraphQL string
	// Clone is what owner/name.git follows, with a slash at its end.
	Clone string
}

// URLs returns where the stand-in answers.
func (g *GitHub) URLs() URLs {
	return URLs{Web: g.base + "/", REST: g.base + apiPrefix + "/", GraphQL: g.base + "/api/graphql", Clone: g.base + "/"}
}

// id gives a number no other thing of this GitHub has, so that mixed-up identifiers never fit. g.mu is held.
func (g *GitHub) id() int64 {
	g.lastID++
	return g.lastID
}

// touch wakes those who wait for a change. g.mu is held.
func (g *GitHub) touch() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// Wait returns when condition holds. The condition is asked again after every change; it may call every method that
// reads state. It returns the context's cause when that ends first.
func (g *GitHub) Wait(ctx context.Context, condition func() bool) error {
	for {
		changed := g.Changed()
		if condition() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the GitHub stand-in: %w", context.Cause(ctx))
		case <-changed:
		}
	}
}

// Changed returns a channel that is closed at the next change of anything.
func (g *GitHub) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.changed
}

func (g *GitHub) now() time.Time { return g.clock.Now().UTC().Truncate(time.Second) }

// Now is GitHub's clock, in whole seconds as its answers are.
func (g *GitHub) Now() time.Time { return g.now() }
