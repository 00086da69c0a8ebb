package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/markdown"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Deps are what the pages are made from. All but Clock, BasePath and Log must be set.
type Deps struct {
	Runs      Runs
	Logs      Logs
	Artifacts Artifacts
	// Access is LoopbackOnly or a *SignedIn; with the latter there are pages to sign in and out.
	Access Access
	Stream *Stream
	// Places and Desk are for the pages of environments.
	Places Places
	Desk   Desk
	// Clock defaults to the system's.
	Clock pipeline.Clock
	// BasePath is the path of SLIPWAY_PUBLIC_URL ("" or "/slipway"): every address on the pages begins with it. Requests
	// are answered with it and without, since some proxies take it off and others do not.
	BasePath string
	// Log is told of what the visitor only hears was an error.
	Log zerolog.Logger
}

// server answers the requests.
type server struct {
	runs      Runs
	logs      Logs
	artifacts Artifacts
	access    Access
	// signedIn is the access where people can sign in; nil elsewhere.
	signedIn *SignedIn
	stream   *Stream
	places   Places
	desk     Desk
	clock    pipeline.Clock
	links    links
	log      zerolog.Logger
	markdown *markdown.Renderer
	assets   assets
	pages    pages
	// pace is the least time between two messages of one event stream; calm is how long it waits for a wake-up before
	// it looks by itself: another replica may have done the work.
	pace, calm time.Duration
}

// New makes the handler of all pages. It fails only when the templates it was built with are broken.
func New(deps Deps) (http.Handler, error) {
	s, err := newServer(deps)
	if err != nil {
		return nil, err
	}
	return s.handler(), nil
}

func newServer(deps Deps) (*server, error) {
	base := "/" + strings.Trim(deps.BasePath, "/")
	if base == "/" {
		base = ""
	}
	s := &server{
		runs: deps.Runs, logs: deps.Logs, artifacts: deps.Artifacts, access: deps.Access, stream: deps.Stream, places: deps.Places, desk: deps.Desk,
		clock: deps.Clock, links: links{base}, log: deps.Log, markdown: markdown.New(),
		pace: 200 * time.Millisecond, calm: 4 * time.Second,
	}
	if s.clock == nil {
		s.clock = pipeline.SystemClock{}
	}
	s.signedIn, _ = deps.Access.(*SignedIn)
	var err error
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	s.pages, err = loadPages()
	return s, err
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /-/{file}", s.asset) // "-" can be nobody's account
	if s.signedIn != nil {
		mux.HandleFunc("GET /-/login", s.signIn)
		mux.HandleFunc("GET /-/callback", s.callback)
		mux.HandleFunc("POST /-/logout", s.guardPost(s.signOut))
	}
	mux.HandleFunc("GET /{owner}/{repo}", s.repository)
	mux.HandleFunc("GET /{owner}/{repo}/environments", s.environments)
	mux.HandleFunc("POST /{owner}/{repo}/press/{stageRunID}/{button}", s.guardPost(s.press))
	mux.HandleFunc("GET /{owner}/{repo}/runs/{number}", s.run)
	mux.HandleFunc("GET /{owner}/{repo}/runs/{number}/events", s.events)
	mux.HandleFunc("GET /{owner}/{repo}/runs/{number}/logs/{stageRunID}", s.rawLog)
	mux.HandleFunc("GET /{owner}/{repo}/runs/{number}/artifacts/{stageRunID}/{name...}", s.artifact)
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		s.missing(w, r, nothingHere, nothingHereText)
	})
	return s.withoutBase(s.recognised(mux))
}

// recognised finds out who a request comes from before anything answers it. A stage is shown nothing, whatever cookie it
// has got hold of. Assets are everybody's, and kept by browsers: no cookie belongs on them.
func (s *server) recognised(next http.Handler) http.Handler {
	if s.signedIn == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if file, found := strings.CutPrefix(r.URL.Path, "/-/"); found && s.assets.content[file] != nil {
			next.ServeHTTP(w, r)
			return
		}
		r = s.signedIn.recognise(w, r)
		if s.signedIn.visit(r).stage {
			s.message(w, r, http.StatusForbidden, "Only for people", "This request comes from a stage, and these pages are for people.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// withoutBase takes the base path off where a proxy left it on, and sets the headers all answers share.
func (s *server) withoutBase(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if s.links.base == "" {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == s.links.base {
			http.Redirect(w, r, s.links.base+"/", http.StatusMovedPermanently)
			return
		}
		if strings.HasPrefix(r.URL.Path, s.links.base+"/") {
			http.StripPrefix(s.links.base, next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// protect sets what keeps hostile content harmless: no script, style, frame or form but our own, no guessing of types.
func protect(header http.Header) {
	header.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Cache-Control", "private, no-store")
}

// run shows one run.
func (s *server) run(w http.ResponseWriter, r *http.Request) {
	run, ok := s.load(w, r)
	if !ok {
		return
	}
	stage, ok := choose(run, selectionOf(r))
	v := s.runView(run, stage, s.clock.Now())
	if ok {
		log, err := s.logView(r.Context(), run, stage, windowOf(r.URL.Query()))
		if err != nil {
			s.trouble(w, r, err)
			return
		}
		v.Log = log
	}
	if v.Live {
		v.Events = s.eventsURL(run, stage, v.Log)
	}
	s.show(w, r, "run", http.StatusOK, v)
}

func selectionOf(r *http.Request) selection {
	attempt, err := strconv.Atoi(r.URL.Query().Get("attempt"))
	if err != nil {
		attempt = 0
	}
	return selection{key: r.URL.Query().Get("stage"), attempt: attempt}
}

// load finds the run of an address and asks whether it may be seen; otherwise it has answered.
func (s *server) load(w http.ResponseWriter, r *http.Request) (pipeline.Run, bool) {
	number, err := strconv.ParseInt(r.PathValue("number"), 10, 64)
	if err != nil || number <= 0 {
		s.absent(w, r)
		return pipeline.Run{}, false
	}
	run, err := s.runs.RunByNumber(r.Context(), r.PathValue("owner"), r.PathValue("repo"), number)
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		s.absent(w, r)
		return pipeline.Run{}, false
	case err != nil:
		s.trouble(w, r, fmt.Errorf("load run %s/%s#%d: %w", r.PathValue("owner"), r.PathValue("repo"), number, err))
		return pipeline.Run{}, false
	}
	return run, s.see(w, r, run.Trigger.Repository)
}

// stageOf finds the attempt an address names by its ID.
func stageOf(run pipeline.Run, id string) (pipeline.StageRun, bool) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return pipeline.StageRun{}, false
	}
	for _, s := range run.Stages {
		if s.ID == number {
			return s, true
		}
	}
	return pipeline.StageRun{}, false
}
