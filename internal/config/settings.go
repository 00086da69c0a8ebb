package config

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
)

// The one setting that is asked for alone (DataDir).
const (
	dataDir        = "SLIPWAY_DATA_DIR"
	defaultDataDir = "./data"
)

// settings is every key of the server, in the order of docs/settings.md.
func settings() []setting {
	return []setting{
		{"GITHUB_WEB_URL", "https://github.com", urlTo(func(c *Config) *string { return &c.WebURL })},
		{"GITHUB_V3_API_URL", "https://api.github.com", urlTo(func(c *Config) *string { return &c.V3APIURL })},
		{"GITHUB_V4_API_URL", "https://api.github.com/graphql", urlTo(func(c *Config) *string { return &c.V4APIURL })},
		{"GITHUB_APP_INTEGRATION_ID", "", setAppID},
		{"GITHUB_APP_PRIVATE_KEY", "", setPrivateKey},
		{"GITHUB_APP_PRIVATE_KEY_FILE", "", setPrivateKeyFile},
		{"GITHUB_APP_WEBHOOK_SECRET", "", func(c *Config, v string) error { c.WebhookSecret = v; return nil }},
		{"GITHUB_OAUTH_CLIENT_ID", "", setClientID},
		{"GITHUB_OAUTH_CLIENT_SECRET", "", func(c *Config, v string) error { c.OAuthClientSecret = v; return nil }},
		{"SLIPWAY_ADDR", ":8080", setAddr},
		{"SLIPWAY_PUBLIC_URL", "http://localhost:8080", urlTo(func(c *Config) *string { return &c.PublicURL })},
		{dataDir, defaultDataDir, func(c *Config, v string) error { c.DataDir = v; return nil }},
		{"SLIPWAY_DATABASE_URL", "sqlite", only("sqlite")},
		{"SLIPWAY_EXECUTOR", "local", only("local")},
		{"SLIPWAY_ARTIFACTS", "data", only("data")},
		{"SLIPWAY_SECRETS", "dir:./secrets", func(c *Config, v string) error { c.Secrets = v; return nil }},
		{"SLIPWAY_GITHUB_POINTS_PER_MINUTE", "900", setPoints},
		{"SLIPWAY_CONCURRENCY", strconv.Itoa(DefaultConcurrency()), setConcurrency},
		{"SLIPWAY_BUILDKIT", "", setBuildKit},
		{"SLIPWAY_BUILDKIT_CERTS", "", func(c *Config, v string) error { c.BuildKitCerts = v; return nil }},
		{"SLIPWAY_INSECURE_REGISTRIES", "", setInsecure},
		{"SLIPWAY_SANDBOX_NETWORK", "host", oneOf(func(c *Config) *string { return &c.Network }, "host", "isolated")},
		{"SLIPWAY_ALLOW_UNSANDBOXED", "false", setUnsandboxed},
		{"SLIPWAY_LOG_LEVEL", "info", setLogLevel},
		{"SLIPWAY_LOG_FORMAT", "", oneOf(func(c *Config) *string { return &c.LogFormat }, "", "json", "console")},
	}
}

func known(name string) bool {
	return slices.ContainsFunc(settings(), func(s setting) bool { return s.name == name })
}

func urlTo(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		u, err := url.Parse(v)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%q is not an http or https address", v)
		}
		if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return errors.New("the address must hold no credentials, query or fragment")
		}
		*field(c) = strings.TrimSuffix(v, "/")
		return nil
	}
}

func oneOf(field func(*Config) *string, values ...string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !slices.Contains(values, v) {
			return fmt.Errorf("%q is none of %s", v, strings.Join(slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" }), ", "))
		}
		*field(c) = v
		return nil
	}
}

// only accepts the one choice that this version has.
func only(value string) func(*Config, string) error {
	return func(_ *Config, v string) error {
		if v != value {
			return fmt.Errorf("%q is not possible in this version; leave it out (%s)", v, value)
		}
		return nil
	}
}

func setAppID(c *Config, v string) error {
	if v == "" {
		return nil // said by missing
	}
	id, err := strconv.ParseInt(v, 10, 64)
	if err != nil || id <= 0 {
		return fmt.Errorf("%q is not an App ID: it is the number on the App's settings page", v)
	}
	c.AppID = id
	return nil
}

func setClientID(c *Config, v string) error {
	if _, err := strconv.ParseInt(v, 10, 64); err == nil {
		return fmt.Errorf("%q is the App ID: the client ID stands below it on the App's settings page and begins with Iv", v)
	}
	c.OAuthClientID = v
	return nil
}

func setPrivateKey(c *Config, v string) error {
	if v == "" {
		return nil
	}
	if err := checkKey(v); err != nil {
		return err
	}
	c.PrivateKey = v
	return nil
}

func setPrivateKeyFile(c *Config, v string) error {
	if v == "" {
		return nil
	}
	if c.PrivateKey != "" {
		return errors.New("GITHUB_APP_PRIVATE_KEY is set too; leave one of them out")
	}
	data, err := os.ReadFile(v) //nolint:gosec // the path is the operator's own setting
	if err != nil {
		return err
	}
	return setPrivateKey(c, string(data))
}

// checkKey never puts any of the key into its error.
func checkKey(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("is not PEM text: it starts with -----BEGIN RSA PRIVATE KEY----- and keeps its line breaks")
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return nil
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return nil
	}
	return errors.New("holds no RSA private key")
}

func setAddr(c *Config, v string) error {
	if _, _, err := net.SplitHostPort(v); err != nil {
		return fmt.Errorf("%q is not host:port", v)
	}
	c.Addr = v
	return nil
}

func setPoints(c *Config, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 0 && n < 10 {
		return fmt.Errorf("%q is not a number of points: 10 or more, or 0 for no budget", v)
	}
	c.PointsPerMinute = n
	return nil
}

func setConcurrency(c *Config, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 2 || n > 1000 {
		return fmt.Errorf("%q is not a number of stages from 2 to 1000", v)
	}
	c.Concurrency = n
	return nil
}

func setBuildKit(c *Config, v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	local, remote := err == nil && u.Scheme == "unix" && u.Path != "", err == nil && u.Scheme == "tcp" && u.Port() != ""
	if !local && !remote {
		return fmt.Errorf("%q is not the address of a BuildKit daemon: unix:///run/buildkit/buildkitd.sock or tcp://host:port", v)
	}
	c.BuildKit = v
	return nil
}

// setInsecure takes hosts with their ports, as they stand in the names of images.
func setInsecure(c *Config, v string) error {
	for host := range strings.SplitSeq(v, ",") {
		host = strings.TrimSpace(host)
		switch {
		case host == "":
			continue
		case strings.ContainsAny(host, "/@ "):
			return fmt.Errorf("%q is not a registry's host, such as registry.internal:5000", host)
		}
		c.InsecureRegistries = append(c.InsecureRegistries, host)
	}
	return nil
}

func setUnsandboxed(c *Config, v string) error {
	allow, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	c.AllowUnsandboxed = allow
	return nil
}

func setLogLevel(c *Config, v string) error {
	if _, err := zerolog.ParseLevel(v); err != nil || v == "" {
		return fmt.Errorf("%q is none of trace, debug, info, warn, error", v)
	}
	c.LogLevel = v
	return nil
}
