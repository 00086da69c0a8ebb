package pythonenv

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func TestDetect(t *testing.T) {
	project := "[project]\nname = 'shop'\n[project.optional-dependencies]\ntest = ['pytest']\ndocs = ['sphinx']\n[dependency-groups]\ndev = ['ruff']\n"
	for name, test := range map[string]struct {
		files   map[string]string
		setting []string
		want    Requirements
		failure string
	}{
		"the usual files":   {files: map[string]string{"requirements.txt": "", "requirements-dev.txt": "", "pyproject.toml": project}, want: Requirements{Files: []string{"requirements.txt", "requirements-dev.txt"}}},
		"the project":       {files: map[string]string{"pyproject.toml": project}, want: Requirements{Project: true, Extras: []string{"test"}, Groups: []string{"dev"}}},
		"tools only":        {files: map[string]string{"pyproject.toml": "[tool.black]\n"}},
		"nothing":           {},
		"the setting":       {files: map[string]string{"requirements.txt": "", "req/ci.txt": ""}, setting: []string{"req/ci.txt"}, want: Requirements{Files: []string{"req/ci.txt"}}},
		"the named project": {files: map[string]string{"requirements.txt": "", "pyproject.toml": project}, setting: []string{"requirements.txt", "pyproject.toml"}, want: Requirements{Files: []string{"requirements.txt"}, Project: true, Extras: []string{"test"}, Groups: []string{"dev"}}},
		"a missing file":    {setting: []string{"requirements.txt"}, failure: "requirements.txt does not exist"},
		"outside":           {setting: []string{"../../etc/passwd"}, failure: "../../etc/passwd does not exist"},
		"a missing project": {setting: []string{"pyproject.toml"}, failure: "pyproject.toml does not exist"},
		"a broken project":  {files: map[string]string{"pyproject.toml": "["}, failure: "pyproject.toml cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Detect(stagetest.New(t, stagetest.Options{Files: test.files}).Root(), test.setting)
			var failure *Failure
			if errors.As(err, &failure) != (test.failure != "") || failure != nil && failure.Title != test.failure {
				t.Fatalf("error = %v, want %q", err, test.failure)
			}
			if diff := cmp.Diff(test.want, got); failure == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadContents(t *testing.T) {
	for name, test := range map[string]struct {
		text          string
		pinned, local bool
	}{
		"pins":                    {"flask==3.0.0  # web\nrequests[socks] == 2.31.0 ; python_version < '4'\n\n# end\n--no-binary=:all:\n", true, false},
		"hashes":                  {"flask==3.0.0 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n", true, false},
		"an open version":         {"flask\n", false, false},
		"a range":                 {"flask>=3\n", false, false},
		"a wildcard":              {"flask==3.*\n", false, false},
		"the checkout":            {"-e .\n", false, true},
		"the checkout's extras":   {".[test]\n", false, true},
		"a folder of it":          {"./libs/shop\n", false, true},
		"a wheel in it":           {"libs/shop-1.0-py3-none-any.whl\n", false, true},
		"a file address":          {"shop @ file:///srv/shop\n", false, true},
		"a repository elsewhere":  {"-e git+https://example.com/shop.git#egg=shop\n", false, false},
		"another index":           {"--extra-index-url https://example.com/simple\nflask==3.0.0\n", true, false},
		"constraints from afar":   {"-c https://example.com/c.txt\nflask==3.0.0\n", false, false},
		"an included file":        {"-r more.txt\n", true, false},
		"an include without room": {"-rmore.txt\n", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := stagetest.New(t, stagetest.Options{Files: map[string]string{"requirements.txt": test.text, "more.txt": "-r requirements.txt\nclick==8.1.0\n"}})
			got, err := readContents(s.Root(), []string{"requirements.txt"})
			if err != nil || got.pinned != test.pinned || got.local != test.local {
				t.Errorf("pinned %v, local %v, %v", got.pinned, got.local, err)
			}
		})
	}
}

func TestKeyFollowsEveryInput(t *testing.T) {
	files := map[string]string{"requirements.txt": "-r more.txt\n", "more.txt": "flask==3.0.0\n"}
	read := func(files map[string]string) contents {
		c, err := readContents(stagetest.New(t, stagetest.Options{Files: files}).Root(), []string{"requirements.txt"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	i := Interpreter{Path: "/usr/bin/python3", Version: Version{3, 13, 0}}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	first := read(files)
	if again := read(files); !bytes.Equal(first.hash, again.hash) || first.key(i, Requirements{}, "pip", now) != again.key(i, Requirements{}, "pip", now.AddDate(0, 6, 0)) {
		t.Error("the same pinned files have two keys")
	}
	keys := map[string]string{first.key(i, Requirements{}, "pip", now): "first"}
	add := func(name, key string) {
		if other, taken := keys[key]; taken {
			t.Errorf("%s has the key of %s", name, other)
		}
		keys[key] = name
	}
	files["more.txt"] = "flask==3.0.1\n"
	add("another version of an included file", read(files).key(i, Requirements{}, "pip", now))
	newer := i
	newer.Version[2] = 1
	add("another interpreter", first.key(newer, Requirements{}, "pip", now))
	add("another installer", first.key(i, Requirements{}, "uv", now))
	files["more.txt"] = "flask\n"
	open := read(files)
	add("an open version", open.key(i, Requirements{}, "pip", now))
	add("an open version a week later", open.key(i, Requirements{}, "pip", now.AddDate(0, 0, 7)))
	if open.key(i, Requirements{}, "pip", now) != open.key(i, Requirements{}, "pip", now.AddDate(0, 0, 3)) {
		t.Error("an open version has two keys in one week")
	}
}

func TestMissingInclude(t *testing.T) {
	s := stagetest.New(t, stagetest.Options{Files: map[string]string{"requirements.txt": "-r ../../etc/passwd\n"}})
	var failure *Failure
	if _, err := readContents(s.Root(), []string{"requirements.txt"}); !errors.As(err, &failure) || failure.Title != "../../etc/passwd does not exist" {
		t.Errorf("error = %v", err)
	}
}
