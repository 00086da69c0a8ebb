package dashboard

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxPost bounds a form.
const maxPost = 64 << 10

// form is what every form that does something carries: where it goes, and the proof that it is ours. A template writes
// <form method="post" action="{{.Form.Action}}">{{template "proof" .Form}}…; path is below the base path, as in the mux.
type form struct{ Action, Proof string }

func (s *server) form(r *http.Request, path string) form {
	f := form{Action: s.links.base + path}
	if s.signedIn != nil {
		f.Proof = s.signedIn.proof(r)
	}
	return f
}

// proof belongs to one session: nobody else knows it, and with the session it ends.
func (a *SignedIn) proof(r *http.Request) string {
	v := a.visit(r)
	if !v.known {
		return ""
	}
	return sign(a.sessions.keys.form, v.session.id)
}

// guardPost lets through what somebody who is signed in has sent from a form on our own pages. It is the only way to a
// handler that changes anything; what the person may do is for the handler to ask.
func (s *server) guardPost(handle func(w http.ResponseWriter, r *http.Request, who Person)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.signedIn == nil {
			s.message(w, r, http.StatusForbidden, "Nobody can act here",
				"Sign-in is not set up, so it cannot be known who you are. Say it in a comment on GitHub.")
			return
		}
		who, known := s.access.Visitor(r)
		if !known {
			s.notSignedIn(w, r, http.StatusForbidden, "/", "You are not signed in", "Your session is over. Sign in, go back and do it again.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxPost)
		if err := s.ours(r); err != nil {
			s.log.Warn().Err(err).Str("path", r.URL.Path).Str("login", who.Login).Msg("a form was refused")
			s.message(w, r, http.StatusForbidden, "This form cannot be taken",
				"It was not sent by a page of Slipway as it is now. Load the page again and repeat what you did.")
			return
		}
		handle(w, r, who)
	}
}

// themselves asks GitHub now whether the account that signed in still has its login; otherwise it has answered. Whoever
// acts in a repository passes it first: what they may do is looked up by that login, and it may be somebody else's by now.
func (s *server) themselves(w http.ResponseWriter, r *http.Request, repository pipeline.Repository, who Person) bool {
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	permission, err := s.signedIn.sight.authority.Permission(ctx, repository.ID, who)
	switch {
	case err != nil:
		s.trouble(w, r, fmt.Errorf("permission of %s in %s: %w", who.Login, repository.FullName(), err))
		return false
	case permission == "none" || permission == "":
		s.missing(w, r, nothingHere, nothingHereText)
		return false
	}
	return true
}

// ours is an error for what another site may have made the visitor's browser send. The browser tells where it comes from;
// those that do not still lack the proof.
func (s *server) ours(r *http.Request) error {
	if err := s.signedIn.sameSite.Check(r); err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return err
	}
	if proof := s.signedIn.proof(r); proof == "" || !hmac.Equal([]byte(proof), []byte(r.PostForm.Get("proof"))) {
		return errors.New("the form does not carry the proof of its session")
	}
	return nil
}
