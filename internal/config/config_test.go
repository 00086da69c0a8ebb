package config

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func key(t *testing.T) string {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}))
}

func minimal(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		"GITHUB_APP_INTEGRATION_ID=7", "GITHUB_APP_PRIVATE_KEY=" + key(t), "GITHUB_APP_WEBHOOK_SECRET=hush", "PATH=/bin",
	}, more...)
}

func TestDefaults(t *testing.T) {
	c, err := Load("", minimal(t))
	if err != nil {
		t.Fatal(err)
	}
	if c.AppID != 7 || c.Addr != ":8080" || c.PointsPerMinute != 900 || c.Network != "host" || c.Concurrency < 2 {
		t.Errorf("defaults: %+v", c)
	}
	if c.V3APIURL != "https://api.github.com" || c.DataDir != "./data" || c.Secrets != "dir:./secrets" {
		t.Errorf("defaults: %+v", c)
	}
}

func TestSignIn(t *testing.T) {
	c, err := Load("", minimal(t))
	if err != nil || c.SignIn() {
		t.Errorf("without the settings: %v, %v", c.SignIn(), err)
	}
	c, err = Load("", minimal(t, "GITHUB_OAUTH_CLIENT_ID=Iv23x", "GITHUB_OAUTH_CLIENT_SECRET=hush"))
	if err != nil || !c.SignIn() || c.OAuthClientID != "Iv23x" || c.OAuthClientSecret != "hush" {
		t.Errorf("with the settings: %+v, %v", c, err)
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slipway.yml")
	if err := os.WriteFile(file, []byte("SLIPWAY_ADDR: 127.0.0.1:1\nSLIPWAY_LOG_LEVEL: debug\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file, minimal(t, "SLIPWAY_ADDR=127.0.0.1:2"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "127.0.0.1:2" || c.LogLevel != "debug" {
		t.Errorf("got %s, %s", c.Addr, c.LogLevel)
	}
}

func TestProblems(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "bad.yml")
	text := "SLIPWAY_ADRR: x\nSLIPWAY_ADDR: [a]\nSLIPWAY_LOG_LEVEL: info\nSLIPWAY_LOG_LEVEL: warn\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, file string
		environ    []string
		want       []string
	}{
		{"nothing set", "", nil, []string{"GITHUB_APP_INTEGRATION_ID is not set", "PRIVATE_KEY_FILE is not set", "WEBHOOK_SECRET is empty"}},
		{"file", file, minimal(t), []string{
			"bad.yml:1: SLIPWAY_ADRR is not a setting; did you mean SLIPWAY_ADDR?",
			"bad.yml:2: SLIPWAY_ADDR takes one value", "bad.yml:4: SLIPWAY_LOG_LEVEL is set twice",
		}},
		{"missing file", filepath.Join(dir, "none"), minimal(t), []string{"no such file"}},
		{"unknown variable", "", minimal(t, "SLIPWAY_EXECUTER=local"), []string{"did you mean SLIPWAY_EXECUTOR?"}},
		{"empty secret", "", append(minimal(t), "GITHUB_APP_WEBHOOK_SECRET="), []string{"anyone could send events"}},
		{"later choices", "", minimal(t, "SLIPWAY_EXECUTOR=kubernetes", "SLIPWAY_DATABASE_URL=postgres://x"), []string{
			`SLIPWAY_EXECUTOR: "kubernetes" is not possible in this version`, "SLIPWAY_DATABASE_URL",
		}},
		{"bad values", "", minimal(t, "SLIPWAY_ADDR=8080", "SLIPWAY_CONCURRENCY=1", "SLIPWAY_GITHUB_POINTS_PER_MINUTE=-1",
			"GITHUB_WEB_URL=ftp://x", "SLIPWAY_SANDBOX_NETWORK=none", "SLIPWAY_ALLOW_UNSANDBOXED=perhaps",
			"SLIPWAY_LOG_LEVEL=loud", "SLIPWAY_LOG_FORMAT=xml"), []string{
			"is not host:port", "2 to 1000", "number of points", "not an http", "none of host, isolated", "neither true", "none of trace",
			"none of json, console",
		}},
		{"half a sign-in", "", minimal(t, "GITHUB_OAUTH_CLIENT_ID=Iv23x"), []string{"GITHUB_OAUTH_CLIENT_SECRET is not set"}},
		{"the other half", "", minimal(t, "GITHUB_OAUTH_CLIENT_SECRET=hush"), []string{"GITHUB_OAUTH_CLIENT_ID is not set"}},
		{"the App ID twice", "", minimal(t, "GITHUB_OAUTH_CLIENT_ID=7", "GITHUB_OAUTH_CLIENT_SECRET=hush"), []string{`"7" is the App ID`}},
		{"bad key", "", append(minimal(t), "GITHUB_APP_PRIVATE_KEY=topsecret"), []string{"is not PEM text"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(tc.file, tc.environ)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%v", want, err)
				}
			}
			if strings.Contains(err.Error(), "topsecret") {
				t.Error("the error holds the key")
			}
		})
	}
}

// TestDataDir: a command that only reads the data folder needs nothing else, and refuses what serve refuses of the keys.
func TestDataDir(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slipway.yml")
	if err := os.WriteFile(file, []byte("SLIPWAY_DATA_DIR: /srv/slipway\nSLIPWAY_LOG_LEVEL: loud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		file    string
		environ []string
		want    string
		problem string
	}{
		{"", nil, "./data", ""},
		{file, nil, "/srv/slipway", ""},
		{file, []string{"SLIPWAY_DATA_DIR=/other"}, "/other", ""},
		{"", []string{"SLIPWAY_DATA_DIR="}, "./data", ""},
		{file, []string{"SLIPWAY_DATADIR=x"}, "", "did you mean SLIPWAY_DATA_DIR?"},
		{file + "x", nil, "", "no such file"},
	} {
		got, err := DataDir(test.file, test.environ)
		if got != test.want || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%q %q: %q, %v", test.file, test.environ, got, err)
		}
	}
}
