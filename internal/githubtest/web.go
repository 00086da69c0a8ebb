package githubtest

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed web
var webFiles embed.FS

// site serves the pages: what people see and do on github.com.
type site struct {
	g         *GitHub
	templates *template.Template
	markdown  *markdown
}

// page is what every page has.
type page struct {
	Title   string
	Path    string // where a form comes back to
	As      string // who acts
	Users   []string
	Repo    string
	Problem string
}

func (g *GitHub) pageHandler() http.Handler {
	s := &site{g: g, templates: template.Must(template.ParseFS(webFiles, "web/*.html")), markdown: newMarkdown()}
	mux := http.NewServeMux()
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /{$}":                                    s.home,
		"GET /{owner}/{repo}":                         s.repository,
		"GET /{owner}/{repo}/tree/{ref...}":           s.tree,
		"GET /{owner}/{repo}/commit/{sha}":            s.commit,
		"GET /{owner}/{repo}/pull/{number}":           s.pull,
		"GET /{owner}/{repo}/runs/{id}":               s.run,
		"GET /{owner}/{repo}/blob/{ref}/{path...}":    s.blob,
		"GET /{owner}/{repo}/raw/{ref}/{path...}":     s.raw,
		"GET /apps/{slug}":                            s.app,
		"GET /apps/{slug}/installations/new":          s.app,
		"POST /settings/apps/new":                     s.register,
		"POST /organizations/{org}/settings/apps/new": s.register,
		"GET " + authorizePath:                        s.authorize,
		"POST " + authorizePath:                       s.authorized,
		"GET /avatars/{login}":                        s.avatar,
		"GET /-/deliveries":                           s.deliveries,
		"GET /-/events":                               s.events,
		"GET /-/style.css":                            s.asset("web/style.css", "text/css; charset=utf-8"),
		"GET /-/live.js":                              s.asset("web/live.js", "text/javascript; charset=utf-8"),
		"POST /-/act":                                 s.act,
	} {
		mux.HandleFunc(pattern, handle)
	}
	protection := http.NewCrossOriginProtection() // only the App's own manifest form comes from elsewhere
	protection.AddInsecureBypassPattern("POST /settings/apps/new")
	protection.AddInsecureBypassPattern("POST /organizations/{org}/settings/apps/new")
	return securityHeaders(protection.Handler(mux))
}

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src * data:; frame-ancestors 'none'; base-uri 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

const actingCookie = "acting-as"

func (s *site) page(r *http.Request, title string) page {
	p := page{Title: title, Path: r.URL.RequestURI(), Users: s.g.Users(), Problem: r.URL.Query().Get("problem")}
	if owner := r.PathValue("owner"); owner != "" {
		p.Repo = owner + "/" + r.PathValue("repo")
	}
	query := r.URL.Query()
	query.Del("problem")
	p.Path = (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).RequestURI()
	if len(p.Users) > 0 {
		p.As = p.Users[0]
	}
	if cookie, err := r.Cookie(actingCookie); err == nil {
		for _, user := range p.Users {
			if user == cookie.Value {
				p.As = user
			}
		}
	}
	return p
}

func (s *site) show(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, data); err != nil {
		s.g.log.Error().Err(err).Str("page", name).Msg("page cannot be shown")
		http.Error(w, "this page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if _, err := b.WriteTo(w); err != nil {
		s.g.log.Debug().Err(err).Msg("the reader went away")
	}
}

func (s *site) asset(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		data, err := webFiles.ReadFile(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", contentType)
		if _, err := w.Write(data); err != nil {
			s.g.log.Debug().Err(err).Msg("the reader went away")
		}
	}
}

// liveInterval bounds how often a page is told of changes.
const liveInterval = 250 * time.Millisecond

// events is a stream that says "changed" whenever something has.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	for {
		changed := s.g.Changed()
		if _, err := fmt.Fprint(w, ": \n\n"); err != nil || flush.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-s.g.served:
			return
		}
		pause := time.NewTimer(liveInterval)
		select {
		case <-pause.C:
		case <-r.Context().Done():
			pause.Stop()
			return
		}
		if _, err := fmt.Fprint(w, "data: changed\n\n"); err != nil || flush.Flush() != nil {
			return
		}
	}
}

// avatar draws the first letter of a login.
func (s *site) avatar(w http.ResponseWriter, r *http.Request) {
	login := r.PathValue("login")
	hue := 0
	for _, b := range []byte(login) {
		hue = (hue*31 + int(b)) % 360
	}
	letter := template.HTMLEscapeString(strings.ToUpper(string([]rune(login + "?")[:1])))
	w.Header().Set("Content-Type", "image/svg+xml")
	if _, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="20" fill="hsl(%d 50%% 45%%)"/>`+ //nolint:gosec // the letter is escaped, the hue is a number
		`<text x="20" y="27" font-family="sans-serif" font-size="20" fill="#fff" text-anchor="middle">%s</text></svg>`, hue, letter); err != nil {
		s.g.log.Debug().Err(err).Msg("the reader went away")
	}
}
