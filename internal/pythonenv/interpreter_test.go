package pythonenv

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func TestWanted(t *testing.T) {
	for name, test := range map[string]struct {
		files         map[string]string
		setting, want string
		source        string
	}{
		"the setting wins":     {map[string]string{".python-version": "3.12"}, "3.11", "3.11", "the stage itself"},
		".python-version":      {map[string]string{".python-version": "# ours\n3.12.1\n3.11\n", "pyproject.toml": "[project]\nrequires-python='>=3.9'"}, "", "3.12.1", ".python-version"},
		"requires-python":      {map[string]string{"pyproject.toml": "[project]\nrequires-python = '>=3.9'"}, "", ">=3.9", "requires-python of pyproject.toml"},
		"poetry":               {map[string]string{"pyproject.toml": "[tool.poetry.dependencies]\npython = '^3.10'"}, "", "^3.10", "tool.poetry.dependencies.python of pyproject.toml"},
		"nothing":              {nil, "", "3.13", "the default"},
		"only tools are named": {map[string]string{"pyproject.toml": "[tool.black]\nline-length = 100"}, "", "3.13", "the default"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Wanted(stagetest.New(t, stagetest.Options{Files: test.files}).Root(), test.setting)
			if err != nil || got.Text != test.want || got.Source != test.source {
				t.Errorf("Wanted = %q of %q, %v", got.Text, got.Source, err)
			}
		})
	}
}

func TestWantedRefusesHostileFiles(t *testing.T) {
	s := stagetest.New(t, stagetest.Options{Files: map[string]string{"pyproject.toml": "[project\n"}})
	if _, err := Wanted(s.Root(), ""); err == nil {
		t.Error("broken TOML was read")
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(s.Dir(), ".python-version")); err != nil {
		t.Fatal(err)
	}
	if got, err := Wanted(s.Root(), ""); err == nil {
		t.Errorf("a link out of the checkout was read: %q", got.Text)
	}
}

func place(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCandidates(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	place(t, dir, "usr/bin/python3.11", "usr/bin/python3-config", "usr/bin/python3.11-config", "home/.pyenv/shims/python3.13",
		"home/.pyenv/versions/3.13.0/bin/python3.13", "home/.pyenv/versions/3.12.1/bin/python3.12",
		"home/.local/share/uv/python/cpython-3.14.2-linux-x86_64-gnu/bin/python3.14", "tools/Python/3.10.4/x64/bin/python3.10")
	for link, target := range map[string]string{"usr/bin/python3": "python3.11", "home/.pyenv/versions/3.13.0/bin/python3": "python3.13", "usr/bin/python3.9": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	m := Machine{
		Path:  filepath.Join(dir, "home/.pyenv/shims") + ":" + filepath.Join(dir, "usr/bin") + ":relative/bin",
		Homes: []string{filepath.Join(dir, "home"), filepath.Join(dir, "home")}, Globs: []string{filepath.Join(dir, "tools/Python/*/*/bin")},
	}
	var got []string
	for _, c := range m.candidates() {
		name, err := filepath.Rel(dir, c.path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, name+" "+c.version.String())
	}
	want := []string{
		"home/.pyenv/versions/3.13.0/bin/python3.13 3.13.0",
		"home/.local/share/uv/python/cpython-3.14.2-linux-x86_64-gnu/bin/python3.14 3.14.2",
		"home/.pyenv/versions/3.12.1/bin/python3.12 3.12.1",
		"usr/bin/python3.11 3.11.0",
		"tools/Python/3.10.4/x64/bin/python3.10 3.10.4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFindRunsWhatItReturns(t *testing.T) {
	system := stagetest.Need(t, "python3")
	s := stagetest.New(t, stagetest.Options{})
	broken := t.TempDir()
	place(t, broken, "python3.13") // an empty file is no interpreter
	anyPython, err := ParseRequest(">=3.0", "the test")
	if err != nil {
		t.Fatal(err)
	}
	m := ThisMachine()
	m.Path = broken + ":" + filepath.Dir(system) + ":" + m.Path
	found, err := Find(t.Context(), s, m, anyPython)
	if err != nil || filepath.Dir(found.Path) == broken || found.Version[0] != 3 {
		t.Errorf("found %+v, %v", found, err)
	}
	_, err = Find(t.Context(), s, Machine{Path: broken}, anyPython)
	var failure *Failure
	if !errors.As(err, &failure) || failure.Cause != "Python >=3.0 (asked for by the test) is not installed here; there is no Python at all." {
		t.Errorf("error = %v", err)
	}
}

func TestMissingNamesWhatIsThere(t *testing.T) {
	want, err := ParseRequest("3.14", ".python-version")
	if err != nil {
		t.Fatal(err)
	}
	failure := missing(want, []Version{{3, 9, 0}, {3, 13, 0}, {3, 12, 1}, {3, 9, 0}}, "")
	if failure.Cause != "Python 3.14 (asked for by .python-version) is not installed here; there is Python 3.13, 3.12.1, 3.9." {
		t.Error(failure.Cause)
	}
	if failure := missing(want, nil, "debian:12"); failure.Title != "Python 3.14 is not installed in the image debian:12" {
		t.Error(failure.Title)
	}
}
