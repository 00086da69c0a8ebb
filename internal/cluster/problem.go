package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Problem is why a cluster could not be used, in words for people.
type Problem struct {
	Title, Cause string
	// Unreachable: nothing answered, or not in time; trying again may help.
	Unreachable bool
	Err         error
}

func (p *Problem) Error() string { return p.Cause }

func (p *Problem) Unwrap() error { return p.Err }

// Explain makes a Problem of an error of the API server or of the way to it. doing is what was asked: "read Deployment
// web". Nil stays nil, a Problem stays what it is.
func Explain(err error, doing string) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Problem](err); ok {
		return known
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	p := &Problem{Err: err, Title: "The cluster refused a request", Cause: fmt.Sprintf("The cluster did not %s: %s", doing, said(err))}
	switch {
	case apierrors.IsUnauthorized(err):
		p.Title = "The cluster did not accept the credentials"
		p.Cause = "error: You must be logged in to the server (" + said(err) + ")."
	case apierrors.IsForbidden(err):
		p.Title = "The credentials may not " + doing
	case wayIsBlocked(err):
		p.Title, p.Unreachable = "The cluster cannot be reached", true
		p.Cause = fmt.Sprintf("The cluster could not be asked to %s: %s.", doing, reason(err))
	case busy(err):
		p.Title, p.Unreachable = "The cluster does not answer in time", true
	}
	return p
}

// Unreachable reports whether an error is of the way to the cluster, or of a server that is down or starting.
func Unreachable(err error) bool {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p.Unreachable
	}
	return err != nil && (wayIsBlocked(err) || busy(err))
}

// Passing reports whether a failure of the way to the cluster is likely to go by itself: a server that is started anew, a
// network that is interrupted, but not a certificate that is none.
func Passing(err error) bool {
	return err != nil && certificateProblem(err) == "" && Unreachable(err)
}

func busy(err error) bool {
	return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) ||
		apierrors.IsTooManyRequests(err) || errors.Is(err, context.DeadlineExceeded)
}

func wayIsBlocked(err error) bool {
	if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		return false // somebody answered
	}
	var network net.Error
	return errors.As(err, &network) || certificateProblem(err) != "" ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded) ||
		strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "http2: ")
}

// reason is the error without the address it was met at: that may name hosts of the inside.
func reason(err error) string {
	if text := certificateProblem(err); text != "" {
		return text
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "its name " + dns.Name + " is not known"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens at its address (connection refused)"
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return "it did not answer in time"
		}
		return wrapped.Err.Error()
	}
	return err.Error()
}

func certificateProblem(err error) string {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return "its certificate is not signed by the authority that the credentials name"
	case errors.As(err, &host):
		return "its certificate is for another name (" + host.Error() + ")"
	case errors.As(err, &invalid):
		return "its certificate is not valid (" + invalid.Error() + ")"
	case errors.As(err, &record):
		return "what answers at its address speaks no TLS"
	}
	return ""
}

// said is the API server's own message, without the dot at its end.
func said(err error) string {
	text := err.Error()
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok && status.ErrStatus.Message != "" {
		text = status.ErrStatus.Message
	}
	return strings.TrimSuffix(text, ".")
}
