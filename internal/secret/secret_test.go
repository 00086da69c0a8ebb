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

func TestFolder(t *testing.T) {
	testSource(t, 1<<20, func(t *testing.T, values map[string]string) pipeline.SecretSource { return folder(t, values) })
}

func TestFolderLimits(t *testing.T) {
	f := folder(t, map[string]string{"acme/LARGE": strings.Repeat("x", 1<<20+1), "acme/EMPTY": ""})
	for name, problem := range map[string]string{"LARGE": "1 MiB", "EMPTY": "fewer than 4"} {
		_, err := f.Secret(t.Context(), shop, "", name)
		var invalid *secret.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", name, err)
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
		got, err := test.folder.Warnings(t.Context())
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
	if got, err := open.Warnings(t.Context()); err != nil || got != nil {
		t.Errorf("closed: %q %v", got, err)
	}
}

func TestParse(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	source, err := secret.Parse(t.Context(), "dir:"+t.TempDir())
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
		"":                           "no source of secrets",
		"dir:":                       "needs the path",
		"dir":                        "needs the path",
		"vault:x":                    "no source of secrets",
		"dir:" + file:                "is a file",
		"aws-secretsmanager":         "needs a prefix",
		"aws-secretsmanager:":        "needs a prefix",
		"aws-secretsmanager:/":       "needs a prefix",
		"aws-secretsmanager:a b":     "cannot begin the name",
		"aws-secretsmanager:arn:aws": "cannot begin the name",
		"aws-secretsmanager:a//b":    "cannot begin the name",
		"aws-secretsmanager:a":       "set AWS_REGION",
	} {
		if _, err := secret.Parse(t.Context(), setting); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", setting, err)
		}
	}
}
