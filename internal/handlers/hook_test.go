package handlers

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/rs/zerolog"
)

type memoryInbox struct {
	accepted []string
	err      error
}

func (m *memoryInbox) Accept(_ context.Context, guid, event string, _ []byte) error {
	if m.err != nil {
		return m.err
	}
	m.accepted = append(m.accepted, guid+" "+event)
	return nil
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// GitHub's own test vector, from "Validating webhook deliveries".
func TestSignatureVector(t *testing.T) {
	h, err := NewHook(&memoryInbox{}, "It's a Secret to Everybody", func(string) bool { return true }, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	if !h.signed("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", []byte("Hello, World!")) {
		t.Error("GitHub's example is refused")
	}
}

func TestHook(t *testing.T) {
	const secret, body = "hush", `{"ref":"refs/heads/main"}`
	good := map[string]string{
		"X-GitHub-Delivery": "g1", "X-GitHub-Event": "push", "Content-Type": "application/json", "X-Hub-Signature-256": sign(secret, body),
	}
	with := func(changes map[string]string) map[string]string {
		headers := map[string]string{}
		maps.Copy(headers, good)
		maps.Copy(headers, changes)
		return headers
	}
	large := `{"a":"` + strings.Repeat("x", MaxPayload) + `"}`
	cases := []struct {
		name    string
		body    string
		headers map[string]string
		inbox   error
		status  int
		kept    int
	}{
		{"accepted", body, good, nil, 202, 1},
		{"no signature", body, with(map[string]string{"X-Hub-Signature-256": ""}), nil, 401, 0},
		{"sha1 alone", body, with(map[string]string{"X-Hub-Signature-256": "", "X-Hub-Signature": "sha1=0000"}), nil, 401, 0},
		{"without its prefix", body, with(map[string]string{"X-Hub-Signature-256": strings.TrimPrefix(sign(secret, body), "sha256=")}), nil, 401, 0},
		{"wrong secret", body, with(map[string]string{"X-Hub-Signature-256": sign("other", body)}), nil, 401, 0},
		{"other body", body + " ", good, nil, 401, 0},
		{"not JSON", "x=1", with(map[string]string{"X-Hub-Signature-256": sign(secret, "x=1")}), nil, 400, 0},
		{"no GUID", body, with(map[string]string{"X-GitHub-Delivery": ""}), nil, 400, 0},
		{"form encoded", body, with(map[string]string{"Content-Type": "application/x-www-form-urlencoded"}), nil, 400, 0},
		{"unknown event", body, with(map[string]string{"X-GitHub-Event": "star"}), nil, 202, 0},
		{"too large", large, with(map[string]string{"X-Hub-Signature-256": sign(secret, large)}), nil, 413, 0},
		{"disk full", body, good, errors.New("disk full"), 503, 0},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			inbox := &memoryInbox{err: tc.inbox}
			h, err := NewHook(inbox, secret, func(event string) bool { return event == "push" }, zerolog.Nop())
			if err != nil {
				t.Fatal(err)
			}
			request := httptest.NewRequest(http.MethodPost, "/api/github/hook", bytes.NewBufferString(tc.body))
			for k, v := range tc.headers {
				if v != "" {
					request.Header.Set(k, v)
				}
			}
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, request)
			if answer.Code != tc.status || len(inbox.accepted) != tc.kept {
				t.Errorf("%d %q, kept %v", answer.Code, answer.Body, inbox.accepted)
			}
		})
	}
}

func TestHookRefusesAnEmptySecret(t *testing.T) {
	if _, err := NewHook(&memoryInbox{}, "", func(string) bool { return true }, zerolog.Nop()); err == nil {
		t.Error("an empty secret lets anyone in")
	}
}

type panics struct{}

func (panics) Handles() []string                                    { return []string{"push"} }
func (panics) Handle(context.Context, string, string, []byte) error { panic("boom") }

func TestDispatcherSurvivesAPanic(t *testing.T) {
	d, err := NewDispatcher(zerolog.Nop(), panics{})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Dispatch(t.Context(), "g", "push", nil)
	if err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a panic must make the delivery fail, got %v", err)
	}
	if err := d.Dispatch(t.Context(), "g", "star", nil); err != nil {
		t.Error(err)
	}
}

func TestDispatcherRefusesTwoHandlersOfOneEvent(t *testing.T) {
	if _, err := NewDispatcher(zerolog.Nop(), panics{}, githubapp.EventHandler(panics{})); err == nil {
		t.Error("two handlers for push were accepted")
	}
}
