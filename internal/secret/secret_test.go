package secret_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/secret"
)

var shop = pipeline.Repository{Owner: "acme", Name: "shop"}

func folder(t *testing.T, files map[string]string) *secret.Folder {
	t.Helper()
	dir := t.TempDir()
	for name, value := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := secret.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestNearestWins(t *testing.T) {
	f := folder(t, map[string]string{
		"acme/shop/production/A": "environment", "acme/shop/A": "repository", "acme/A": "owner",
		"acme/shop/B": "repository", "acme/B": "owner", "acme/C": "owner", "other/D": "another owner",
		"acme/shop/DIR/x": "a folder of that name", "acme/DIR": "owner",
	})
	for _, test := range []struct{ environment, name, want string }{
		{"production", "A", "environment"},
		{"staging", "A", "repository"},
		{"", "A", "repository"},
		{"production", "B", "repository"},
		{"production", "C", "owner"},
		{"", "DIR", "owner"},
		{"A", "B", "repository"}, // an environment named like a file
		{"production", "D", ""},
		{"production", "E", ""},
	} {
		got, err := f.Secret(t.Context(), shop, test.environment, test.name)
		if test.want == "" {
			if !errors.Is(err, pipeline.ErrNotFound) {
				t.Errorf("%s %s: %q %v", test.environment, test.name, got, err)
			}
			continue
		}
		if err != nil || got != test.want {
			t.Errorf("%s %s: %q %v, want %q", test.environment, test.name, got, err, test.want)
		}
	}
}

func TestValues(t *testing.T) {
	for name, test := range map[string]struct{ content, want, problem string }{
		"as it is":               {"value", "value", ""},
		"one newline":            {"value\n", "value", ""},
		"a Windows newline":      {"value\r\n", "value", ""},
		"two newlines":           {"value\n\n", "value\n", ""},
		"several lines":          {"one\ntwo\n", "one\ntwo", ""},
		"spaces stay":            {" value \n", " value ", ""},
		"four characters":        {"äöüß", "äöüß", ""},
		"three characters":       {"abc\n", "", "fewer than 4"},
		"three letters, long":    {"äöü", "", "fewer than 4"},
		"empty":                  {"", "", "fewer than 4"},
		"zero byte":              {"val\x00ue", "", "zero byte"},
		"larger than a secret":   {strings.Repeat("x", 1<<20+1), "", "1 MiB"},
		"as large as one may be": {strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := folder(t, map[string]string{"acme/X": test.content}).Secret(t.Context(), shop, "", "X")
			if test.problem == "" {
				if err != nil || got != test.want {
					t.Errorf("%.50q %v", got, err)
				}
				return
			}
			var invalid *secret.InvalidError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%.50q %v", got, err)
			}
			if test.content != "" && strings.Contains(err.Error(), test.content) {
				t.Errorf("the value is in %v", err)
			}
		})
	}
}

func TestNamesStayInTheFolder(t *testing.T) {
	f := folder(t, map[string]string{"acme/shop/X": "value", "acme/other/X": "another"})
	for _, name := range []string{"", ".", "..", "../X", "a/b", "1X", "X Y", "X\n", "-X", strings.Repeat("X", 256)} {
		if got, err := f.Secret(t.Context(), shop, "", name); err == nil {
			t.Errorf("name %q: %q", name, got)
		}
	}
	for _, repository := range []pipeline.Repository{
		{Owner: "..", Name: "shop"}, {Owner: "acme", Name: ".."}, {Owner: "acme/other", Name: "x"}, {Owner: "", Name: "shop"}, {Owner: "acme"},
	} {
		if got, err := f.Secret(t.Context(), repository, "", "X"); err == nil {
			t.Errorf("%+v: %q", repository, got)
		}
	}
	for _, environment := range []string{"..", "../other", "../../acme/other", "."} {
		if got, err := f.Secret(t.Context(), shop, environment, "X"); err == nil {
			t.Errorf("environment %q: %q", environment, got)
		}
	}
}

func TestLinks(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "acme", "..data"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "acme", "..data", "IN"), []byte("inside"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"IN": "..data/IN", "OUT": outside} {
		if err := os.Symlink(target, filepath.Join(dir, "acme", link)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := secret.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Secret(t.Context(), shop, "", "IN"); err != nil || got != "inside" {
		t.Errorf("a link inside, as Kubernetes mounts secrets: %q %v", got, err)
	}
	if got, err := f.Secret(t.Context(), shop, "", "OUT"); err == nil {
		t.Errorf("a link out of the folder: %q", got)
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	open, err := secret.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "X"), []byte("value"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "X"): 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	missing, err := secret.Dir(filepath.Join(dir, "none"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		folder *secret.Folder
		want   []string
	}{
		"open":    {open, []string{"mode 0755", "secret X is open"}},
		"missing": {missing, []string{"does not exist"}},
	} {
		got, err := test.folder.Warnings()
		if err != nil || len(got) != len(test.want) {
			t.Fatalf("%s: %q %v", name, got, err)
		}
		for i := range got {
			if !strings.Contains(got[i], test.want[i]) {
				t.Errorf("%s: %q", name, got[i])
			}
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := open.Warnings(); err != nil || got != nil {
		t.Errorf("closed: %q %v", got, err)
	}
}

func TestParse(t *testing.T) {
	source, err := secret.Parse("dir:" + t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Secret(t.Context(), shop, "", "X"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for setting, says := range map[string]string{
		"":                          "no source of secrets",
		"dir:":                      "needs the path",
		"dir":                       "needs the path",
		"vault:x":                   "no source of secrets",
		"aws-secretsmanager:prefix": "not supported by this version",
		"dir:" + file:               "is a file",
	} {
		if _, err := secret.Parse(setting); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", setting, err)
		}
	}
}
