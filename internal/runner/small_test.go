package runner

import (
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/process"
)

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "30m", time.Hour: "1h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 10 * time.Second: "10s",
		2 * time.Hour: "2h", 10 * time.Minute: "10m", 500 * time.Millisecond: "500ms",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

func TestFolderName(t *testing.T) {
	for text, kept := range map[string]bool{
		"pip": true, "venv-3.13_ab": true, "..": false, ".": false, "": false, "a/b": false, ".hidden": false, "a\x00b": false,
		strings.Repeat("x", 200): false, "ä": false,
	} {
		got := folderName(text)
		if (got == text) != kept || strings.ContainsAny(got, "/\x00") || got == ".." || got == "." || got == "" {
			t.Errorf("%q became %q", text, got)
		}
	}
	if folderName("a/b") == folderName("a/c") {
		t.Error("two names became one")
	}
}

func TestMatrixEnv(t *testing.T) {
	got := matrixEnv(pipeline.MatrixLeg{{Name: "python-version", Value: "3.13"}, {Name: "os", Value: "slim"}})
	if !maps.Equal(got, map[string]string{"MATRIX_PYTHON_VERSION": "3.13", "MATRIX_OS": "slim"}) {
		t.Fatalf("got %q", got)
	}
}

func TestMachineEnvPassesNothingOfTheBot(t *testing.T) {
	environ := []string{
		"PATH=/bin", "GITHUB_APP_PRIVATE_KEY=x", "AWS_SECRET_ACCESS_KEY=x", "SLIPWAY_DATABASE_URL=x", "HOME=/root", "DOCKER_HOST=x",
		"PIP_INDEX_URL=x", "LD_PRELOAD=x", "HTTPS_PROXY=x", "broken",
	}
	if got := MachineEnv(environ, []string{"PIP_INDEX_URL"}); !slices.Equal(got, []string{"PATH=/bin", "PIP_INDEX_URL=x", "HTTPS_PROXY=x"}) {
		t.Errorf("commands: %q", got)
	}
	if got := OwnEnv(environ, nil); !slices.Equal(got, []string{"PATH=/bin", "DOCKER_HOST=x", "HTTPS_PROXY=x"}) {
		t.Errorf("the runner: %q", got)
	}
}

func TestExitOf(t *testing.T) {
	for _, test := range []struct {
		result process.Result
		want   Exit
	}{
		{process.Result{}, Exit{}},
		{process.Result{Code: 1}, Exit{Code: 1}},
		{process.Result{Code: 127}, Exit{Code: 127}},
		{process.Result{Code: 137, Signal: syscall.SIGKILL}, Exit{Code: 137, Signal: "killed"}},
		{process.Result{Code: 139}, Exit{Code: 139, Signal: "segmentation fault"}},
		{process.Result{Code: 200}, Exit{Code: 200}},
		{process.Result{Code: 255}, Exit{Code: 255}},
	} {
		if got := exitOf(test.result); got.Code != test.want.Code || got.Signal != test.want.Signal {
			t.Errorf("%+v: got %+v", test.result, got)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"out/**/*.txt", "out/one.txt", true},
		{"out/**/*.txt", "out/deep/two.txt", true},
		{"htmlcov", "htmlcov/js/a.js", true},
		{"*.whl", "dist/a.whl", false},
		{"dist/*.whl", "dist/a.whl", true},
		{"**/*.xml", "a/b/c.xml", true},
		{".", "anything/at/all", true},
	} {
		if got := matches(test.pattern, test.name); got != test.want {
			t.Errorf("%s, %s: %v", test.pattern, test.name, got)
		}
	}
}
