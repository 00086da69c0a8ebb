package workspace

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const coreConfig = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n"

// writeDotGit gives the stage a repository of its own: HEAD at the commit, tags for those who derive versions from
// them, objects borrowed from the mirror. Nothing in it is ever read by Slipway again after the stage has started.
func (j *gitJob) writeDotGit(ctx context.Context, s *slot) error {
	tags, err := j.mirror.run(ctx, call{args: []string{"for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"}})
	if err != nil {
		return err
	}
	config := coreConfig
	if j.source.url.Scheme != "file" {
		config += fmt.Sprintf("[remote \"origin\"]\n\turl = \"%s\"\n", configEscape(j.source.url.String()))
	}
	index, err := os.ReadFile(s.index())
	if err != nil {
		return fmt.Errorf("copy the index: %w", err)
	}
	return writeRepository(s.tree(), map[string]string{
		"HEAD":                    j.source.SHA + "\n",
		"config":                  config,
		"index":                   string(index),
		"packed-refs":             string(tags),
		"objects/info/alternates": j.mirror.objects() + "\n",
	})
}

// configEscape is for a value in double quotes. Addresses come from url.String and hold no control characters.
func configEscape(value string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)
}

// writeRepository makes tree/.git of the given files. git refuses trees that hold a .git of their own, whatever its
// spelling, so that the folder is new.
func writeRepository(tree string, files map[string]string) error {
	root, err := os.OpenRoot(tree)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a folder opened for reading
	for _, dir := range []string{".git", ".git/objects", ".git/objects/info", ".git/objects/pack", ".git/refs"} {
		if err := root.Mkdir(dir, 0o755); err != nil {
			return fmt.Errorf("make .git: %w", err)
		}
	}
	for name, content := range files {
		if err := root.WriteFile(filepath.Join(".git", name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write .git/%s: %w", name, err)
		}
	}
	return nil
}

// personalDotGit gives the copy of a whole repository a .git that borrows its history, as a commit's checkout has.
// A copy of a sub-folder has none. An empty repository has no history to borrow.
func (w *Workspace) personalDotGit(ctx context.Context, dir, tree string) ([]string, error) {
	if _, err := os.Lstat(filepath.Join(dir, ".git")); err != nil {
		return nil, nil //nolint:nilerr // no repository of its own
	}
	out, err := w.git.run(ctx, call{
		args:   []string{"rev-parse", "--path-format=absolute", "HEAD^{commit}", "--git-path", "objects", "--git-path", "shallow", "--git-path", "index"},
		dir:    dir,
		config: []setting{{"safe.directory", "*"}},
	})
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 4 || !objectName.MatchString(lines[0]) {
		return nil, nil //nolint:nilerr // nothing committed yet, or a repository of another kind: its files are what counts
	}
	files := map[string]string{"HEAD": lines[0] + "\n", "config": coreConfig, "objects/info/alternates": lines[1] + "\n"}
	for name, from := range map[string]string{"shallow": lines[2], "index": lines[3]} {
		if content, err := os.ReadFile(from); err == nil { //nolint:gosec // a path git named
			files[name] = string(content)
		}
	}
	tags, err := w.git.run(ctx, call{
		args: []string{"for-each-ref", "--format=%(objectname) %(refname)", "refs/tags"},
		dir:  dir, config: []setting{{"safe.directory", "*"}},
	})
	if err != nil {
		return nil, err
	}
	files["packed-refs"] = string(tags)
	return []string{lines[1]}, writeRepository(tree, files)
}
