package handlers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/rs/zerolog"
)

// MaxPayload is GitHub's own bound of a delivery.
const MaxPayload = 25 << 20

// Inbox keeps deliveries.
type Inbox interface {
	// Accept returns when the delivery is on disk together with the job that works it. A repeated GUID whose work is
	// done is accepted and changes nothing; one whose work is not done is worked again.
	Accept(ctx context.Context, guid, event string, payload []byte) error
}

// Hook is the webhook endpoint.
type Hook struct {
	inbox  Inbox
	secret []byte
	knows  func(event string) bool
	log    zerolog.Logger
}

// NewHook makes the endpoint. knows tells which events have a handler; the others are answered and forgotten.
// An empty secret would let anyone in, so it is refused.
func NewHook(inbox Inbox, secret string, knows func(event string) bool, log zerolog.Logger) (*Hook, error) {
	if secret == "" {
		return nil, errors.New("the webhook secret is empty: set GITHUB_APP_WEBHOOK_SECRET to the secret of the App")
	}
	return &Hook{inbox: inbox, secret: []byte(secret), knows: knows, log: log}, nil
}

// ServeHTTP answers 2xx only after the delivery is durable.
func (h *Hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guid, event := r.Header.Get("X-GitHub-Delivery"), r.Header.Get("X-GitHub-Event")
	log := h.log.With().Str("delivery", guid).Str("event", event).Logger()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			http.Error(w, "a delivery has at most 25 MB", http.StatusRequestEntityTooLarge)
			return
		}
		log.Warn().Err(err).Msg("delivery could not be read")
		http.Error(w, "the body could not be read", http.StatusBadRequest)
		return
	}
	if !h.signed(r.Header.Get("X-Hub-Signature-256"), body) {
		log.Warn().Str("from", r.RemoteAddr).Msg("delivery with a missing or wrong signature")
		http.Error(w, "X-Hub-Signature-256 is missing or wrong", http.StatusUnauthorized)
		return
	}
	if status, problem := h.check(guid, event, r.Header.Get("Content-Type"), body); problem != "" {
		http.Error(w, problem, status)
		return
	}
	if !h.knows(event) {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if err := h.inbox.Accept(r.Context(), guid, event, body); err != nil {
		log.Error().Err(err).Msg("delivery could not be stored")
		http.Error(w, "the delivery could not be stored; redeliver it", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// signed compares in constant time. sha1 alone (X-Hub-Signature) is not enough.
func (h *Hook) signed(header string, body []byte) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(header, "sha256="))
	if err != nil || !strings.HasPrefix(header, "sha256=") {
		return false
	}
	mac := hmac.New(sha256.New, h.secret)
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

func (*Hook) check(guid, event, contentType string, body []byte) (int, string) {
	switch {
	case guid == "" || len(guid) > 100 || event == "" || len(event) > 100:
		return http.StatusBadRequest, "X-GitHub-Delivery and X-GitHub-Event are needed"
	case strings.HasPrefix(contentType, "application/x-www-form-urlencoded"):
		return http.StatusBadRequest, "set the webhook's content type to application/json"
	case !json.Valid(body):
		return http.StatusBadRequest, "the body is not JSON"
	default:
		return 0, ""
	}
}
