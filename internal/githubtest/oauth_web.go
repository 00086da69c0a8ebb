package githubtest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorizePage asks a person whether an App may know who they are. GitHub asks the one who is signed in; here the one
// who acts on the pages comes first, and anybody else can be chosen.
type authorizePage struct {
	page
	App struct{ Name, Owner string }
	// Callback is where all buttons lead, Cancel among them.
	Callback string
	Request  oauthRequest
	Others   []string
}

// authorize shows the question. Nothing is given out before the person agrees.
func (s *site) authorize(w http.ResponseWriter, r *http.Request) {
	q := oauthRequestOf(r.URL.Query())
	s.g.mu.Lock()
	a, callback, err := s.g.check(q)
	data := authorizePage{Callback: callback, Request: q}
	if a != nil {
		data.App.Name, data.App.Owner = a.name, a.owner.login
	}
	s.g.mu.Unlock()
	data.page = s.page(r, "Authorize "+data.App.Name)
	switch {
	case err != nil:
		s.refuseAuthorization(w, data.page, err)
	case !q.sound():
		s.answer(w, r, q, "", false)
	default:
		if slices.Contains(data.Users, q.Login) {
			data.As = q.Login
		}
		data.Others = slices.DeleteFunc(slices.Clone(data.Users), func(user string) bool { return user == data.As })
		s.show(w, "authorize", data)
	}
}

// authorized is the answer to the question: back with a code, or without.
func (s *site) authorized(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.answer(w, r, oauthRequestOf(r.PostForm), r.PostForm.Get("as"), r.PostForm.Get("authorize") == "1")
}

func (s *site) answer(w http.ResponseWriter, r *http.Request, q oauthRequest, login string, agreed bool) {
	target, err := s.g.answerAuthorization(q, login, agreed)
	if err != nil {
		s.refuseAuthorization(w, s.page(r, "Authorize"), err)
		return
	}
	http.Redirect(w, r, target, http.StatusFound) //nolint:gosec // a registered callback, see check
}

// Authorize agrees to what an App asks at an address of the web flow, and returns where GitHub sends the person then.
func (p *Person) Authorize(address string) (back string, err error) { return p.answer(address, true) }

// Deny is Cancel on the same page.
func (p *Person) Deny(address string) (back string, err error) { return p.answer(address, false) }

func (p *Person) answer(address string, agreed bool) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Path != authorizePath {
		return "", fmt.Errorf("%q is not where GitHub asks people", address)
	}
	return p.g.answerAuthorization(oauthRequestOf(u.Query()), p.login, agreed)
}

// answerAuthorization makes what a person says to an App into the address they are sent to.
func (g *GitHub) answerAuthorization(q oauthRequest, login string, agreed bool) (target string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, callback, err := g.check(q)
	switch {
	case err != nil:
		return "", err
	case !q.sound():
		return way(callback, oauthFailure("invalid_request", "The code challenge is not one of S256."), q.State)
	case !agreed:
		return way(callback, oauthFailure("access_denied", "The user has denied your application access."), q.State)
	}
	user := g.account(login)
	if user == nil || user.kind != "User" {
		return "", fmt.Errorf("there is no user %s", login)
	}
	return way(callback, url.Values{"code": {g.grant(a, user, callback, q.Challenge)}}, q.State)
}

func oauthFailure(name, description string) url.Values {
	return url.Values{
		"error": {name}, "error_description": {description},
		"error_uri": {"https://docs.github.com/apps/troubleshooting-authorization-request-errors/#" + strings.ReplaceAll(name, "_", "-")},
	}
}

// way is a registered callback, whose own query stays, with an answer.
func way(callback string, with url.Values, state string) (string, error) {
	target, err := url.Parse(callback)
	if err != nil {
		return "", fmt.Errorf("callback URL: %w", err)
	}
	query := target.Query()
	maps.Copy(query, with)
	if state != "" {
		query.Set("state", state)
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
}

// refuseAuthorization is a page of GitHub's own: a person is not sent to an address nobody vouches for.
func (s *site) refuseAuthorization(w http.ResponseWriter, p page, err error) {
	if errors.Is(err, errUnknownClient) {
		http.Error(w, "404: "+err.Error(), http.StatusNotFound)
		return
	}
	p.Title, p.Problem = "Be careful!", err.Error()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusBadRequest)
	s.show(w, "authorize-refused", p)
}
