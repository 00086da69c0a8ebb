package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Problem is a registry's refusal or absence, with words for people.
type Problem struct { //nolint:errname // words for a verdict first, which travel as an error
	Title string
	// Cause is what happened and what it means; a line of the log that diagnosis knows.
	Cause string
	// Temporary: the registry is down or busy; trying again may help.
	Temporary bool
	Err       error
}

func (p *Problem) Error() string { return p.Cause }
func (p *Problem) Unwrap() error { return p.Err }

// Denied is what Docker's registries say, and what the documentation of pipelines calls the error.
const Denied = "denied: requested access to the resource is denied"

func (r *Repository) explain(doing string, err error) error {
	if known, ok := errors.AsType[*Problem](err); ok {
		return known
	}
	host := r.Host()
	if insecure, ok := errors.AsType[*InsecureError](err); ok {
		return &Problem{Title: insecure.Host + " has no TLS", Cause: fmt.Sprintf("%s: %v. If it may be: name it there.", doing, insecure), Err: err}
	}
	answer, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return r.unreachable(doing, err)
	}
	switch {
	case answer.StatusCode == http.StatusUnauthorized && r.auth == authn.Anonymous:
		return &Problem{
			Title: host + " asks for a login",
			Cause: fmt.Sprintf("%s: %s. There are no secrets DOCKER_USERNAME and DOCKER_PASSWORD, so nobody was logged in to %s.", doing, Denied, host), Err: err,
		}
	case answer.StatusCode == http.StatusUnauthorized && !loggedIn(answer) && !has(answer, transport.DeniedErrorCode):
		return &Problem{
			Title: host + " does not accept the login",
			Cause: fmt.Sprintf("%s: %s does not accept the user name and password of DOCKER_USERNAME and DOCKER_PASSWORD: unauthorized.", doing, host), Err: err,
		}
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden, has(answer, transport.DeniedErrorCode):
		return &Problem{
			Title: "Nobody may push to " + r.written + " with this login",
			Cause: fmt.Sprintf("%s: %s.", doing, Denied), Err: err,
		}
	case answer.StatusCode == http.StatusNotFound, has(answer, transport.NameUnknownErrorCode):
		return &Problem{
			Title: r.written + " does not exist",
			Cause: fmt.Sprintf("%s: %s has no repository %s, and does not make one by itself.", doing, host, r.repo.RepositoryStr()), Err: err,
		}
	case answer.StatusCode == http.StatusTooManyRequests:
		return &Problem{Title: host + " has counted too many requests", Cause: fmt.Sprintf("%s: toomanyrequests: %v.", doing, answer), Temporary: true, Err: err}
	case answer.StatusCode >= http.StatusInternalServerError:
		return &Problem{Title: host + " is in trouble", Cause: fmt.Sprintf("%s: %s answers %d, several times: %v.", doing, host, answer.StatusCode, answer), Temporary: true, Err: err}
	}
	return &Problem{Title: host + " refuses", Cause: fmt.Sprintf("%s: %v.", doing, answer), Err: err}
}

// loggedIn reports whether the refused request bore a token: the login was good then, and is not enough. Docker Hub says so
// with a 401, too, whose WWW-Authenticate (error="insufficient_scope") the library does not hand on.
func loggedIn(answer *transport.Error) bool {
	if answer.Request == nil {
		return false
	}
	token, bears := strings.CutPrefix(answer.Request.Header.Get("Authorization"), "Bearer ")
	return bears && token != ""
}

// unreachable is what has no answer at all. A name that does not exist is no accident that passes.
func (r *Repository) unreachable(doing string, err error) error {
	unknown, ok := errors.AsType[*net.DNSError](err)
	return &Problem{
		Title: r.Host() + " cannot be reached", Cause: fmt.Sprintf("%s: %s cannot be reached: %v.", doing, r.Host(), err),
		Temporary: !ok || !unknown.IsNotFound, Err: err,
	}
}

func has(answer *transport.Error, code transport.ErrorCode) bool {
	return slices.ContainsFunc(answer.Errors, func(d transport.Diagnostic) bool { return d.Code == code })
}
