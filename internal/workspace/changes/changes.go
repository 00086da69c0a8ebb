// Package changes finds the lines a commit changed against its base.
package changes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrUnknown says that the changed lines cannot be told: no base, or no history in the folder.
var ErrUnknown = errors.New("the changed lines are not known")

// Range is a run of lines of the new file, both ends included, counted from 1.
type Range struct{ First, Last int }

// Contains reports whether line is in the range.
func (r Range) Contains(line int) bool { return r.First <= line && line <= r.Last }

var objectName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// ChangedLines compares the commit checked out in dir with where it left baseSHA's history (git diff base...head), and
// returns the lines added or altered, by path with slashes. Files that were only deleted, renamed or are not text have
// no entry. Ask before the repository's own code runs: it may write to dir/.git.
//
// Of that .git only objects and HEAD are read, through a repository made for the purpose, so that configuration and
// attributes in it have no effect.
func ChangedLines(ctx context.Context, dir, baseSHA string) (map[string][]Range, error) {
	if !objectName.MatchString(baseSHA) {
		return nil, fmt.Errorf("%w: no base commit", ErrUnknown)
	}
	head, err := headOf(dir)
	if err != nil {
		return nil, err
	}
	repository, err := os.MkdirTemp("", "slipway-changes-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(repository) //nolint:errcheck // four small files in the temporary folder
	if err := borrow(repository, dir); err != nil {
		return nil, err
	}
	if !exists(ctx, repository, baseSHA) {
		return nil, fmt.Errorf("%w: the base commit %s is not here", ErrUnknown, baseSHA[:12])
	}
	if !exists(ctx, repository, head) {
		return nil, fmt.Errorf("%w: the history of %s is not here", ErrUnknown, dir)
	}
	if err := git(ctx, repository, "merge-base", baseSHA, head).Run(); err == nil {
		return diff(ctx, repository, baseSHA+"..."+head)
	}
	return diff(ctx, repository, baseSHA+".."+head) // histories without a common commit
}

// CommitTime is when the commit checked out in dir was made. Of its .git only objects and HEAD are read, as above.
func CommitTime(ctx context.Context, dir string) (time.Time, error) {
	head, err := headOf(dir)
	if err != nil {
		return time.Time{}, err
	}
	repository, err := os.MkdirTemp("", "slipway-changes-")
	if err != nil {
		return time.Time{}, err
	}
	defer os.RemoveAll(repository) //nolint:errcheck // four small files in the temporary folder
	if err := borrow(repository, dir); err != nil {
		return time.Time{}, err
	}
	if !exists(ctx, repository, head) {
		return time.Time{}, fmt.Errorf("%w: the history of %s is not here", ErrUnknown, dir)
	}
	text, err := git(ctx, repository, "show", "--no-patch", "--format=%ct", head).Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("git show: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the time of the commit %s: %w", head, err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// headOf reads a HEAD that names a commit, as checkouts of package workspace have it.
func headOf(dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close() //nolint:errcheck // a folder opened for reading
	content, err := root.ReadFile(filepath.Join(".git", "HEAD"))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%w: %s has no history", ErrUnknown, dir)
	}
	if err != nil {
		return "", err
	}
	head := strings.TrimSpace(string(content))
	if !objectName.MatchString(head) {
		return "", fmt.Errorf("%w: HEAD of %s is no commit", ErrUnknown, dir)
	}
	return head, nil
}

// borrow makes the least git takes for a repository.
func borrow(repository, dir string) error {
	for _, sub := range []string{"objects/info", "refs"} {
		if err := os.MkdirAll(filepath.Join(repository, sub), 0o700); err != nil {
			return err
		}
	}
	objects, err := filepath.Abs(filepath.Join(dir, ".git", "objects"))
	if err != nil {
		return err
	}
	files := map[string]string{
		"HEAD":                    "ref: refs/heads/none\n",
		"config":                  "[core]\n\trepositoryformatversion = 0\n\tbare = true\n",
		"objects/info/alternates": objects + "\n",
	}
	if shallow, err := os.ReadFile(filepath.Join(dir, ".git", "shallow")); err == nil { //nolint:gosec // commit names of the folder's own history
		files["shallow"] = string(shallow)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(repository, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func exists(ctx context.Context, repository, sha string) bool {
	return git(ctx, repository, "cat-file", "-e", sha+"^{commit}").Run() == nil
}

func git(ctx context.Context, repository string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + repository}, args...)...) //nolint:gosec // arguments are checked commit names
	cmd.Dir = repository
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1", "GIT_NO_REPLACE_OBJECTS=1", "GIT_ALLOW_PROTOCOL=none", "GIT_TERMINAL_PROMPT=0",
	}
	return cmd
}

func diff(ctx context.Context, repository, revisions string) (map[string][]Range, error) {
	cmd := git(ctx, repository, "-c", "core.quotePath=false", "diff", "--unified=0", "--no-color", "--no-ext-diff",
		"--no-textconv", "--ignore-submodules=all", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/", "--diff-filter=ACMRT", revisions, "--")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run git diff: %w", err)
	}
	lines, parseErr := Parse(out)
	_, drainErr := io.Copy(io.Discard, out) // git must not hang on a pipe nobody reads
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("git diff: %w: %s", err, strings.TrimSpace(said.String()))
	}
	return lines, errors.Join(parseErr, drainErr)
}
