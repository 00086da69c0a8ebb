package stagetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Missing skips a test whose real component this machine lacks; where CI is set it fails instead, so that nothing goes
// untested unnoticed.
func Missing(tb testing.TB, component string) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatalf("%s is missing, and CI must have it", component)
	}
	tb.Skipf("%s is missing on this machine", component)
}

// Need skips the test unless the program is there, and returns its path.
func Need(tb testing.TB, program string) string {
	tb.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(tb, program)
	}
	return path
}

// packages is asked of once a process: pip itself knows where the machine's packages come from.
//
//nolint:gochecknoglobals // the answer does not change while tests run
var packages = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "stagetest-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // one small file in the temporary folder
	ctx, cancel := context.WithTimeout(context.Background(), packagePatience)
	defer cancel()
	return exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--dest", dir, "iniconfig").Run() //nolint:gosec // a folder of ours
})

const packagePatience = time.Minute

// NeedPackages skips the test unless Python packages can be fetched.
func NeedPackages(tb testing.TB) {
	tb.Helper()
	if packages() != nil {
		Missing(tb, "the Python package index")
	}
}

// Packages passes the machine's own settings of pip and uv to commands: mirrors, certificates, local wheels.
func Packages() []string {
	var env []string
	for _, name := range []string{
		"PIP_INDEX_URL", "PIP_CERT", "PIP_FIND_LINKS", "PIP_CONFIG_FILE", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS",
		"SSL_CERT_FILE", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy",
	} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// TempCache is a cache folder that every test of a process shares, so that packages are installed once.
func TempCache() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "stagetest-*")
	if err != nil {
		return "", nil, err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
