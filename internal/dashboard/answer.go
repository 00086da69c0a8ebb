package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// What a visitor reads where nothing is, or nothing for them: the same words, so that nobody learns of what is hidden.
const (
	nothingHere     = "Nothing to see at this address"
	nothingHereText = "There is no such repository or run, its 90 days are over, or you may not see it. " +
		"A new repository appears here when the GitHub App is installed on it and a commit is pushed."
)

// pages holds the parsed templates; each full page has its own set, since all define "main".
type pages struct {
	sets map[string]*template.Template
}

func loadPages() (pages, error) {
	p := pages{sets: map[string]*template.Template{}}
	for _, name := range []string{"list", "run", "environments", "message"} {
		set := template.New(name).Funcs(template.FuncMap{
			"icon":   icon,
			"mark":   func(f display.Face) template.HTML { return icon(f.Tone) },
			"plural": display.Count,
		})
		files := []string{"templates/frame.html", "templates/" + name + ".html"}
		if name == "run" {
			files = append(files, "templates/graph.html", "templates/panel.html", "templates/log.html")
		}
		if _, err := set.ParseFS(embedded, files...); err != nil {
			return pages{}, fmt.Errorf("parse the templates of page %s: %w", name, err)
		}
		p.sets[name] = set
	}
	return p, nil
}

// render executes one template of a page's set.
func (p pages) render(set, name string, data any) ([]byte, error) {
	var out bytes.Buffer
	if err := p.sets[set].ExecuteTemplate(&out, name, data); err != nil {
		return nil, fmt.Errorf("render %s of page %s: %w", name, set, err)
	}
	return out.Bytes(), nil
}

// show renders a page whole before the first byte leaves, so that an error is an error page and not half a page.
func (s *server) show(w http.ResponseWriter, r *http.Request, set string, status int, data any) {
	body, err := s.pages.render(set, "frame", framed{View: data, Who: s.who(r)})
	if err != nil {
		s.log.Error().Err(err).Str("path", r.URL.Path).Msg("page not rendered")
		http.Error(w, "This page could not be drawn. The server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		s.log.Debug().Err(err).Str("path", r.URL.Path).Msg("visitor left")
	}
}

// framed is a page in its frame, which also shows who looks at it.
type framed struct {
	View any
	Who  who
}

// who is the corner of every page where people sign in and out; empty where they cannot.
type who struct {
	Login   string
	SignIn  string
	SignOut form
}

func (s *server) who(r *http.Request) who {
	if s.signedIn == nil {
		return who{}
	}
	if person, known := s.access.Visitor(r); known {
		return who{Login: person.Login, SignOut: s.form(r, "/-/logout")}
	}
	return who{SignIn: s.signInURL(r)}
}

// messageView is a page that says one thing.
type messageView struct {
	page
	Heading, Text string
	// Action is what a visitor can do about it; nil: nothing.
	Action *link
}

type link struct{ URL, Text string }

func (s *server) message(w http.ResponseWriter, r *http.Request, status int, heading, text string) {
	s.show(w, r, "message", status, messageView{page: s.page(heading), Heading: heading, Text: text})
}

func (s *server) missing(w http.ResponseWriter, r *http.Request, heading, text string) {
	s.message(w, r, http.StatusNotFound, heading, text)
}

// absent is for an address where nothing is. A stranger cannot tell it from that of a private repository.
func (s *server) absent(w http.ResponseWriter, r *http.Request) {
	if s.signedIn != nil {
		if _, known := s.access.Visitor(r); !known {
			s.askToSignIn(w, r)
			return
		}
	}
	s.missing(w, r, nothingHere, nothingHereText)
}

// trouble answers our own error: the log has the details, the visitor a sentence.
func (s *server) trouble(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		return // the visitor has left
	}
	s.log.Error().Err(err).Str("path", r.URL.Path).Msg("page not served")
	s.message(w, r, http.StatusInternalServerError, "Something went wrong here",
		"The page could not be put together. The server's log has the reason; loading it again may help.")
}

// enter asks whether the visitor may see pages about no repository in particular.
func (s *server) enter(w http.ResponseWriter, r *http.Request) bool {
	return s.obey(w, r, s.access.Enter(r))
}

// see asks whether the visitor may see a repository.
func (s *server) see(w http.ResponseWriter, r *http.Request, repository pipeline.Repository) bool {
	return s.obey(w, r, s.access.See(r, repository))
}

func (s *server) obey(w http.ResponseWriter, r *http.Request, decision Decision) bool {
	switch decision {
	case Visible:
		return true
	case SignInFirst:
		if s.signedIn != nil {
			s.askToSignIn(w, r)
			return false
		}
		s.message(w, r, http.StatusForbidden, "Only from this machine",
			"Sign-in is not set up, so these pages answer requests from the machine Slipway runs on and no others. "+
				"Open them there at http://localhost, or through an SSH tunnel (ssh -L 8080:localhost:8080 HOST).")
		return false
	case Hidden:
		s.missing(w, r, nothingHere, nothingHereText)
		return false
	default:
		s.missing(w, r, nothingHere, nothingHereText)
		return false
	}
}

func (s *server) page(title string) page {
	return page{
		Title: title, Home: s.links.base + "/",
		Style: s.assetURL("app.css"), Script: s.assetURL("app.js"), Icon: s.assetURL("icon.svg"),
	}
}

// missingFile reports whether an error means that a file is not kept.
func missingFile(err error) bool {
	return errors.Is(err, pipeline.ErrNotFound) || errors.Is(err, fs.ErrNotExist)
}
