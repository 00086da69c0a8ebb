package githubtest

import (
	"errors"
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
		sendBack(w, r, callback, oauthFailure("invalid_request", "The code challenge is not one of S256."), q.State)
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
	q := oauthRequestOf(r.PostForm)
	back, callback, err := s.answerAuthorization(q, r.PostForm.Get("as"), r.PostForm.Get("authorize") == "1")
	if err != nil {
		s.refuseAuthorization(w, s.page(r, "Authorize"), err)
		return
	}
	sendBack(w, r, callback, back, q.State)
}

func (s *site) answerAuthorization(q oauthRequest, login string, agreed bool) (back url.Values, callback string, err error) {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	a, callback, err := s.g.check(q)
	switch {
	case err != nil:
		return nil, "", err
	case !q.sound():
		return oauthFailure("invalid_request", "The code challenge is not one of S256."), callback, nil
	case !agreed:
		return oauthFailure("access_denied", "The user has denied your application access."), callback, nil
	}
	user := s.g.account(login)
	if user == nil || user.kind != "User" {
		return nil, "", errors.New("there is no such person")
	}
	return url.Values{"code": {s.g.grant(a, user, callback, q.Challenge)}}, callback, nil
}

func oauthFailure(name, description string) url.Values {
	return url.Values{
		"error": {name}, "error_description": {description},
		"error_uri": {"https://docs.github.com/apps/troubleshooting-authorization-request-errors/#" + strings.ReplaceAll(name, "_", "-")},
	}
}

// sendBack goes to a registered callback, whose own query stays.
func sendBack(w http.ResponseWriter, r *http.Request, callback string, with url.Values, state string) {
	target, err := url.Parse(callback)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	query := target.Query()
	for name, values := range with {
		query[name] = values
	}
	if state != "" {
		query.Set("state", state)
	}
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusFound)
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
