package githubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// errNoObject says that a repository does not hold an object.
var errNoObject = errors.New("no such object")

// gitStore is a bare repository on disk.
type gitStore struct {
	dir     string
	objects objectReader
}

func checkGit() error {
	if _, err := exec.LookPath("git"); err != nil {
		return fmt.Errorf("the GitHub stand-in serves real repositories and needs git: install it (apt-get install git): %w", err)
	}
	return nil
}

// gitSettings make a bare repository behave as one of GitHub's does.
var gitSettings = []string{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	"http.receivepack=true",
	"uploadpack.allowFilter=true",
	"uploadpack.allowAnySHA1InWant=true", // GitHub serves every commit it has by its hash
	"receive.hideRefs=refs/pull",
	"receive.advertisePushOptions=false",
	"gc.auto=0",
	"core.fsync=none", // a stand-in need not survive a power cut
	"transfer.fsckObjects=false",
}

func newGitStore(ctx context.Context, dir, defaultBranch string) (*gitStore, error) {
	if _, err := os.Stat(dir); err == nil {
		return nil, fmt.Errorf("%s already exists: give the GitHub stand-in an empty folder", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of a repository: %w", err)
	}
	s := &gitStore{dir: dir}
	s.objects.dir = dir
	init := exec.CommandContext(ctx, "git", "init", "--quiet", "--bare", "--template=", "--initial-branch="+defaultBranch, dir) //nolint:gosec // an argument list without a shell, and the names are the test's
	init.Env = gitEnv()
	if out, err := init.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("git init %s: %w: %s", dir, err, out)
	}
	var config strings.Builder
	for _, setting := range gitSettings {
		key, value, _ := strings.Cut(setting, "=")
		section, name, _ := strings.Cut(key, ".")
		fmt.Fprintf(&config, "[%s]\n\t%s = %s\n", section, name, value)
	}
	file, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0) //nolint:gosec // a file of the stand-in's own repository
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", dir, err)
	}
	_, err = file.WriteString(config.String())
	return s, errors.Join(err, file.Close())
}

// gitEnv keeps the settings of the machine and its user out.
func gitEnv(more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "GIT_AUTHOR_NAME=GitHub", "GIT_AUTHOR_EMAIL=noreply@github.com",
		"GIT_COMMITTER_NAME=GitHub", "GIT_COMMITTER_EMAIL=noreply@github.com",
	}, more...)
}

// gitRun is one git command in the repository.
type gitRun struct {
	args  []string
	env   []string
	stdin []byte
	dir   string // a work tree; empty: the bare repository itself
}

func (s *gitStore) run(ctx context.Context, r gitRun) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + s.dir}, r.args...)...) //nolint:gosec // an argument list without a shell, and the folder is the stand-in's own
	cmd.Env = gitEnv(r.env...)
	cmd.Dir = s.dir
	if r.dir != "" {
		cmd.Dir = r.dir
	}
	if r.stdin != nil {
		cmd.Stdin = bytes.NewReader(r.stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", r.args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func (s *gitStore) git(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, gitRun{args: args})
}

// refs reads all references.
func (s *gitStore) refs(ctx context.Context) (map[string]string, error) {
	out, err := s.git(ctx, "for-each-ref", "--format=%(objectname) %(refname)")
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		if sha, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			refs[name] = sha
		}
	}
	return refs, nil
}

// setRef moves, makes or (to zeroSHA) removes a reference.
func (s *gitStore) setRef(ctx context.Context, name, sha string) error {
	var err error
	if sha == zeroSHA {
		_, err = s.git(ctx, "update-ref", "-d", name)
	} else {
		_, err = s.git(ctx, "update-ref", name, sha)
	}
	return err
}

// mergeBase is the best common ancestor of two commits; empty when they have none.
func (s *gitStore) mergeBase(ctx context.Context, a, b string) (string, error) {
	if a == b {
		return a, nil
	}
	out, err := s.git(ctx, "merge-base", a, b)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", nil
	}
	return strings.TrimSpace(out), err
}

// missing lists the commits reachable from tip and from none of the others, oldest first.
func (s *gitStore) missing(ctx context.Context, tip string, others ...string) ([]string, error) {
	if chain, ok := s.linear(tip, others); ok {
		return chain, nil
	}
	args := []string{"rev-list", "--reverse", "--topo-order", tip, "--not"}
	out, err := s.git(ctx, append(args, others...)...)
	return strings.Fields(out), err
}

// linear answers the common case of missing, a few commits on top of a known one, without starting a process.
func (s *gitStore) linear(tip string, others []string) ([]string, bool) {
	var chain []string
	for sha := tip; len(chain) < 20; {
		if slices.Contains(others, sha) {
			return reversed(chain), true
		}
		commit, err := s.commit(sha)
		if err != nil || len(commit.parents) != 1 {
			return nil, false
		}
		chain = append(chain, sha)
		sha = commit.parents[0]
	}
	return nil, false
}

func reversed(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[len(list)-1-i] = s
	}
	return out
}

func (s *gitStore) close() error { return s.objects.close() }
