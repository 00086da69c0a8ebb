package githubtest

import (
	"time"

	"github.com/rs/zerolog"
)

// Clock tells the time; every rule that depends on it (tokens, limits, retention) reads it here.
type Clock interface{ Now() time.Time }

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// Options are what New needs. The zero value of everything but Dir is usable.
type Options struct {
	// Addr is where to listen; empty: a free port of 127.0.0.1. Only loopback addresses are accepted, because the
	// pages let anybody act as anybody.
	Addr string
	// Dir holds the bare repositories. It is made when missing.
	Dir    string
	Clock  Clock
	Logger zerolog.Logger
	// App is the GitHub App that exists from the start.
	App AppOptions
	// Limits are held against API callers; the zero value holds none. See GitHubLimits.
	Limits Limits
	// Latency is added to every API answer.
	Latency time.Duration
	// HookTimeout is how long a webhook's receiver may take; zero: GitHub's ten seconds.
	HookTimeout time.Duration
	// HookWorkers is how many deliveries are under way at once; zero: one, which keeps them in the order of happening.
	HookWorkers int
	// Conformance, where set, is told of every API request and answer that violates GitHub's OpenAPI description.
	// It may be called from several goroutines.
	Conformance func(problem string)
}

// AppOptions describe a GitHub App as its registration does.
type AppOptions struct {
	// Name becomes the slug; empty: "Slipway".
	Name string
	// Owner is the account that registered the App; empty: an organisation "slipwayhq".
	Owner string
	// Permissions and Events; nil: DefaultPermissions and DefaultEvents.
	Permissions   map[string]string
	Events        []string
	WebhookURL    string
	WebhookSecret string
	// ClientID and ClientSecret are what the App signs people in with; empty: made.
	ClientID, ClientSecret string
	// CallbackURLs are where people may be sent back to, at most ten.
	CallbackURLs []string
}

// DefaultPermissions are those a CI/CD App asks for.
func DefaultPermissions() map[string]string {
	return map[string]string{
		"actions": "read", "checks": "write", "contents": "read", "deployments": "write", "issues": "write",
		"members": "read", "merge_queues": "read", "metadata": "read", "pull_requests": "write", "statuses": "write",
	}
}

// DefaultEvents are those a CI/CD App subscribes to.
func DefaultEvents() []string {
	return []string{
		"check_run", "check_suite", "deployment", "deployment_status", "issue_comment", "merge_group",
		"pull_request", "push",
	}
}
