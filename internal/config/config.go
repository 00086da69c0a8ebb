// Package config reads the server's own settings: environment variables, or the same keys in a YAML file.
package config

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Config holds valid settings of the server.
type Config struct {
	WebURL, V3APIURL, V4APIURL string

	AppID         int64
	PrivateKey    string // PEM
	WebhookSecret string

	// OAuthClientID and OAuthClientSecret let people sign in to the pages; both or none.
	OAuthClientID     string
	OAuthClientSecret string

	Addr      string
	PublicURL string // without a trailing slash
	DataDir   string
	// CacheDir holds what can be made again; empty: in DataDir. Only the demo sets it.
	CacheDir string
	Secrets  string

	PointsPerMinute int
	Concurrency     int
	// BuildKit is the address of a BuildKit daemon; empty: this machine's, or the Docker engine's. BuildKitCerts is a folder
	// with its certificates, InsecureRegistries are hosts of images that are spoken to without TLS.
	BuildKit, BuildKitCerts string
	InsecureRegistries      []string
	// Network of the sandbox: host or isolated.
	Network          string
	AllowUnsandboxed bool

	LogLevel  string
	LogFormat string // json or console
}

// setting is one key: where it goes, what it may be, what it means.
type setting struct {
	name     string
	fallback string
	set      func(*Config, string) error
}

// Error carries every problem of the settings at once.
type Error struct{ Problems []string }

func (e *Error) Error() string {
	return "the settings have " + count(len(e.Problems)) + ":\n  - " + strings.Join(e.Problems, "\n  - ")
}

func count(n int) string {
	if n == 1 {
		return "1 problem"
	}
	return fmt.Sprintf("%d problems", n)
}

// Load merges the YAML file (may be "") under the environment, applies defaults and checks everything.
// environ has the form of os.Environ.
func Load(file string, environ []string) (Config, error) {
	values, problems := merge(file, environ)
	var c Config
	for _, s := range settings() {
		value, ok := values[s.name]
		if !ok || value == "" {
			value = s.fallback
		}
		if err := s.set(&c, value); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", s.name, err))
		}
	}
	problems = append(problems, c.missing()...)
	if len(problems) > 0 {
		return Config{}, &Error{Problems: problems}
	}
	return c, nil
}

// DataDir is the data folder that the settings name, for commands that look into it and need nothing else of them: whoever
// reads the audit need not have the App's key.
func DataDir(file string, environ []string) (string, error) {
	values, problems := merge(file, environ)
	if len(problems) > 0 {
		return "", &Error{Problems: problems}
	}
	if dir := values[dataDir]; dir != "" {
		return dir, nil
	}
	return defaultDataDir, nil
}

// merge puts the environment over the file. Problems are those of keys; values are not looked at.
func merge(file string, environ []string) (map[string]string, []string) {
	values, problems := fileValues(file)
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case known(name):
			values[name] = value
		case strings.HasPrefix(name, "SLIPWAY_"):
			problems = append(problems, fmt.Sprintf("%s is not a setting%s", name, suggestion(name)))
		}
	}
	return values, problems
}

// Builder reads only the settings of where images are built: for commands that serve nobody.
func Builder(environ []string) (Config, error) {
	var c Config
	var problems []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		for _, s := range settings() {
			if s.name != name || name != "SLIPWAY_INSECURE_REGISTRIES" && !strings.HasPrefix(name, "SLIPWAY_BUILDKIT") {
				continue
			}
			if err := s.set(&c, value); err != nil {
				problems = append(problems, fmt.Sprintf("%s: %v", name, err))
			}
		}
	}
	if len(problems) > 0 {
		return Config{}, &Error{Problems: problems}
	}
	return c, nil
}

// missing names what cannot be defaulted.
func (c *Config) missing() []string {
	var problems []string
	if c.AppID == 0 {
		problems = append(problems, "GITHUB_APP_INTEGRATION_ID is not set: it is the App ID on the App's settings page")
	}
	if c.PrivateKey == "" {
		problems = append(problems, "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE is not set: generate a private key on the App's settings page")
	}
	if c.WebhookSecret == "" {
		problems = append(problems, "GITHUB_APP_WEBHOOK_SECRET is empty: without it anyone could send events; set it here and on the App's settings page")
	}
	switch {
	case c.OAuthClientID != "" && c.OAuthClientSecret == "":
		problems = append(problems, "GITHUB_OAUTH_CLIENT_SECRET is not set, but GITHUB_OAUTH_CLIENT_ID is: generate a client secret on the App's settings page, or set neither")
	case c.OAuthClientID == "" && c.OAuthClientSecret != "":
		problems = append(problems, "GITHUB_OAUTH_CLIENT_ID is not set, but GITHUB_OAUTH_CLIENT_SECRET is: the client ID is on the App's settings page; or set neither")
	}
	return problems
}

// SignIn reports whether people can sign in to the pages.
func (c *Config) SignIn() bool { return c.OAuthClientID != "" }

// DefaultConcurrency is the number of cores, never under 2: independent stages run side by side.
func DefaultConcurrency() int { return max(2, runtime.NumCPU()) }

// Environ is the process's environment.
func Environ() []string { return os.Environ() }
