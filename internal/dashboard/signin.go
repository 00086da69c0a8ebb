package dashboard

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Bounds of one sign-in.
const (
	// pendingLife is how long somebody may think about it; GitHub's code ends after the same time.
	pendingLife = 10 * time.Minute
	// identifyTime is how long GitHub may take to say who it is.
	identifyTime = 30 * time.Second
)

// pending is a sign-in that was begun. It is kept by the browser that began it, under our signature, so that nobody is
// signed in with what another browser began.
type pending struct {
	State    string    `json:"state"`
	Verifier string    `json:"verifier"`
	To       string    `json:"to"`
	Until    time.Time `json:"until"`
}

func (a *SignedIn) writePending(p pending) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	encoded := base64.RawURLEncoding.EncodeToString(text)
	return encoded + "." + sign(a.sessions.keys.pending, encoded), nil
}

func (a *SignedIn) readPending(cookie string) (p pending, ok bool) {
	encoded, signature, found := strings.Cut(cookie, ".")
	if !found || !signed(a.sessions.keys.pending, encoded, signature) {
		return pending{}, false
	}
	text, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return pending{}, false
	}
	return p, a.sessions.now().Before(p.Until)
}

// signIn sends a visitor to GitHub.
func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	to := returnPath(query.Get("to"))
	if _, known := s.access.Visitor(r); known {
		s.goTo(w, r, to)
		return
	}
	// GitHub sends people to the public address: what the browser keeps must be kept there. A proxy may change the name
	// that we are asked by, so this is tried once.
	if !strings.EqualFold(r.Host, s.signedIn.public.Host) && !query.Has("here") {
		http.Redirect(w, r, s.signedIn.public.String()+"/-/login?"+url.Values{"to": {to}, "here": {"1"}}.Encode(), http.StatusSeeOther)
		return
	}
	p := pending{
		State: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), To: to, Until: s.signedIn.sessions.now().Add(pendingLife),
	}
	cookie, err := s.signedIn.writePending(p)
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.signedIn.cookies.set(w, pendingCookie, cookie, pendingLife)
	http.Redirect(w, r, s.signedIn.identities.SignInURL(p.State, p.Verifier), http.StatusSeeOther)
}

// goTo goes to a page of ours; to is what returnPath made.
func (s *server) goTo(w http.ResponseWriter, r *http.Request, to string) {
	http.Redirect(w, r, s.links.base+to, http.StatusSeeOther) //nolint:gosec // a path of these pages, see returnPath
}

// callback is where GitHub sends people back to. Whatever comes of it, what was begun is over.
func (s *server) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	p, ok := s.signedIn.readPending(s.signedIn.cookies.get(r, pendingCookie))
	s.signedIn.cookies.drop(w, pendingCookie)
	switch {
	case !ok || !hmac.Equal([]byte(p.State), []byte(query.Get("state"))):
		s.notSignedIn(w, r, http.StatusBadRequest, "/", "This sign-in is over",
			"It was not begun in this browser, it took longer than ten minutes, or it has been used already. Begin again.")
	case query.Has("error"):
		s.notGranted(w, r, p, query.Get("error"))
	default:
		s.identify(w, r, p, query.Get("code"))
	}
}

// notGranted tells why GitHub sent somebody back without a code.
func (s *server) notGranted(w http.ResponseWriter, r *http.Request, p pending, reason string) {
	if reason == "access_denied" {
		s.notSignedIn(w, r, http.StatusForbidden, p.To, "You did not sign in",
			"You told GitHub not to say who you are. Pages of public repositories can be seen without it.")
		return
	}
	s.log.Error().Str("reason", reason).Msg("GitHub refuses to sign people in")
	s.notSignedIn(w, r, http.StatusBadGateway, p.To, "GitHub did not sign you in",
		"GitHub refused for a reason that you cannot mend. The server's log has it.")
}

// identify asks GitHub who came back, and begins a session of theirs. An older one of the same browser ends.
func (s *server) identify(w http.ResponseWriter, r *http.Request, p pending, code string) {
	ctx, cancel := context.WithTimeout(r.Context(), identifyTime)
	defer cancel()
	id, login, err := s.signedIn.identities.WhoIs(ctx, code, p.Verifier)
	if err != nil {
		s.log.Error().Err(err).Msg("nobody signed in")
		s.notSignedIn(w, r, http.StatusBadGateway, p.To, "GitHub did not say who you are",
			"It may be out of order, or the sign-in took too long. Try again; if it stays so, the server's log has the reason.")
		return
	}
	if old := s.signedIn.visit(r); old.known {
		if err := s.signedIn.sessions.end(ctx, old.session); err != nil {
			s.trouble(w, r, err)
			return
		}
	}
	begun, err := s.signedIn.sessions.begin(ctx, Person{ID: id, Login: login})
	if err != nil {
		s.trouble(w, r, err)
		return
	}
	s.log.Info().Str("login", login).Int64("account", id).Msg("signed in")
	s.signedIn.remind(w, begun)
	s.goTo(w, r, p.To)
}

// signOut ends the session of who asks for it.
func (s *server) signOut(w http.ResponseWriter, r *http.Request, who Person) {
	if err := s.signedIn.sessions.end(r.Context(), s.signedIn.visit(r).session); err != nil {
		s.trouble(w, r, err)
		return
	}
	s.signedIn.cookies.drop(w, sessionCookie)
	s.log.Info().Str("login", who.Login).Msg("signed out")
	s.goTo(w, r, "/")
}

// signInURL begins a sign-in that ends at the page that is asked for; pages about signing in are not come back to.
func (s *server) signInURL(r *http.Request) string {
	to := (&url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}).RequestURI()
	return s.signInTo(returnPath(to))
}

func (s *server) signInTo(to string) string {
	address := s.links.base + "/-/login"
	if to != "/" {
		address += "?" + url.Values{"to": {to}}.Encode()
	}
	return address
}

// notSignedIn is a page that offers to try again.
func (s *server) notSignedIn(w http.ResponseWriter, r *http.Request, status int, to, heading, text string) {
	s.show(w, r, "message", status, messageView{
		page: s.page(heading), Heading: heading, Text: text, Action: &link{s.signInTo(to), "Sign in with GitHub"},
	})
}

// askToSignIn is what a stranger sees wherever something may be that is not for everybody: also where nothing is, so that
// nobody learns of a private repository by its address.
func (s *server) askToSignIn(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, "message", http.StatusForbidden, messageView{
		page: s.page("Sign in"), Heading: "Sign in to see this",
		Text:   "What is at this address may belong to a private repository. Sign in with GitHub: you see here what you may see there.",
		Action: &link{s.signInURL(r), "Sign in with GitHub"},
	})
}
