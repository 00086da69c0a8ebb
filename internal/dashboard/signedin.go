package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// SignedIn lets in people by what GitHub lets them see: everybody to public repositories, and who has signed in to those
// that they may read on GitHub. It is asked there, at most a minute before; what cannot be asked is refused.
type SignedIn struct {
	identities Identities
	sight      *sight
	sessions   sessions
	cookies    cookies
	public     *url.URL
	sameSite   *http.CrossOriginProtection
	sandboxed  func(client, server netip.AddrPort) (bool, error)
	log        zerolog.Logger
}

// SignInOptions are what SignedIn is made from. All but Sandboxed, Clock and Log must be set.
type SignInOptions struct {
	Identities Identities
	Authority  Authority
	Memory     Memory
	// Secret is what keys are made of that sign cookies and forms: the App's client secret. Another one signs everybody out.
	Secret string
	// PublicURL is where people reach the pages. CallbackURL of it is what the App must be registered with.
	PublicURL string
	// Sandboxed reports whether a connection comes from a stage of this machine; nil: nobody asks. An error refuses.
	Sandboxed func(client, server netip.AddrPort) (bool, error)
	// Clock defaults to the system's.
	Clock pipeline.Clock
	Log   zerolog.Logger
}

// CallbackURL is where GitHub sends people back to who sign in.
func CallbackURL(publicURL string) string { return strings.TrimRight(publicURL, "/") + "/-/callback" }

// NewSignedIn checks the options.
func NewSignedIn(o SignInOptions) (*SignedIn, error) {
	public, err := url.Parse(strings.TrimRight(o.PublicURL, "/"))
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("address of the pages %q: http://HOST or https://HOST is needed", o.PublicURL)
	}
	if o.Secret == "" {
		return nil, errors.New("sign-in needs the App's client secret")
	}
	keys, err := newKeys(o.Secret)
	if err != nil {
		return nil, err
	}
	sameSite := http.NewCrossOriginProtection()
	if err := sameSite.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("address of the pages: %w", err)
	}
	if o.Clock == nil {
		o.Clock = pipeline.SystemClock{}
	}
	return &SignedIn{
		identities: o.Identities, sight: newSight(o.Authority, o.Clock.Now, o.Log),
		sessions: sessions{memory: o.Memory, now: o.Clock.Now, keys: keys},
		cookies:  cookiesFor(public, public.Path), public: public, sameSite: sameSite, sandboxed: o.Sandboxed, log: o.Log,
	}, nil
}

// EndSessions signs a person out everywhere: they have taken their consent back.
func (a *SignedIn) EndSessions(ctx context.Context, personID int64) error {
	return a.sessions.endAll(ctx, personID)
}

// Enter lets everybody in: what a list shows is asked of each repository.
func (a *SignedIn) Enter(r *http.Request) Decision {
	if a.visit(r).stage {
		return Hidden
	}
	return Visible
}

// See asks a stranger to sign in, before anything that is not public. To somebody known, what they may not see does not
// exist.
func (a *SignedIn) See(r *http.Request, repository pipeline.Repository) Decision {
	v := a.visit(r)
	switch {
	case v.stage:
		return Hidden
	case a.sight.everybody(r.Context(), repository.ID):
		return Visible
	case !v.known:
		return SignInFirst
	case a.sight.person(r.Context(), repository.ID, v.session.Person):
		return Visible
	default:
		return Hidden
	}
}

// Visitor is who has signed in.
func (a *SignedIn) Visitor(r *http.Request) (Person, bool) {
	v := a.visit(r)
	return v.session.Person, v.known
}

// visit is who a request comes from.
type visit struct {
	session session
	known   bool
	// stage: it comes from the code of a repository, which is nobody.
	stage bool
}

type visitKey struct{}

// recognise finds out once for a whole request who it comes from, and renews the cookie of who is here.
func (a *SignedIn) recognise(w http.ResponseWriter, r *http.Request) *http.Request {
	v := a.visit(r)
	if now := a.sessions.now(); v.known && now.Sub(v.session.seen) >= sessionStep {
		v.session.seen = now
		a.remind(w, v.session)
	}
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, &v))
}

// remind gives the browser the cookie of a session, for as long as it is good.
func (a *SignedIn) remind(w http.ResponseWriter, of session) {
	left := of.created.Add(sessionLife).Sub(of.seen)
	a.cookies.set(w, sessionCookie, a.sessions.cookie(of), min(left, sessionIdle))
}

// anew forgets who a request comes from. A stream that stays open asks again and again: its visitor may have signed out.
func anew(r *http.Request) *http.Request {
	if r.Context().Value(visitKey{}) == nil {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, (*visit)(nil)))
}

func (a *SignedIn) visit(r *http.Request) visit {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok && v != nil {
		return *v
	}
	if sandboxed(a.sandboxed, r) {
		return visit{stage: true}
	}
	found, ok, err := a.sessions.find(r.Context(), a.cookies.get(r, sessionCookie))
	if err != nil && r.Context().Err() == nil {
		a.log.Error().Err(err).Msg("a visitor is taken for a stranger")
	}
	return visit{session: found, known: ok && err == nil}
}
