package githubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Files are the changes of a commit: path to content. Deleted removes a path.
type Files map[string]string

// Deleted as the content of a path in Files removes it.
const Deleted = "\x00deleted"

// newCommit is a commit to be written onto a reference.
type newCommit struct {
	ref       string
	parent    string // empty: a first commit
	author    signature
	committer signature
	message   string
	files     Files
}

// writeCommit writes a commit and moves its reference to it.
func (s *gitStore) writeCommit(ctx context.Context, c newCommit) (string, error) {
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit %s\nmark :1\nauthor %s\ncommitter %s\ndata %d\n%s\n",
		c.ref, c.author.line(), c.committer.line(), len(c.message), c.message)
	if c.parent != "" {
		fmt.Fprintf(&in, "from %s\n", c.parent)
	}
	for path, content := range c.files {
		if err := checkPath(path); err != nil {
			return "", err
		}
		if content == Deleted {
			fmt.Fprintf(&in, "D %s\n", quotePath(path))
			continue
		}
		mode := "100644"
		if strings.HasPrefix(content, "#!") {
			mode = "100755"
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, quotePath(path), len(content), content)
	}
	in.WriteString("\nget-mark :1\ndone\n")
	out, err := s.run(ctx, gitRun{args: []string{"fast-import", "--quiet", "--done", "--force"}, stdin: in.Bytes()})
	if err != nil {
		return "", fmt.Errorf("commit to %s: %w", c.ref, err)
	}
	return strings.TrimSpace(out), nil
}

func (s signature) line() string {
	clean := strings.NewReplacer("<", "", ">", "", "\n", "", "\x00", "")
	return fmt.Sprintf("%s <%s> %d %s", clean.Replace(s.name), clean.Replace(s.email), s.at.Unix(), s.at.Format("-0700"))
}

func checkPath(path string) error {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return fmt.Errorf("%q is not a path of a file in a repository", path)
		}
	}
	return nil
}

// quotePath is fast-import's quoted form, which any byte but NUL fits into.
func quotePath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

var errConflict = errors.New("merge conflict")

// merge writes a merge of head into base, without a reference to it; errConflict when a person must decide.
func (s *gitStore) merge(ctx context.Context, base, head, message string, who signature) (string, error) {
	tree, err := s.mergeTree(ctx, base, head)
	if err != nil {
		return "", err
	}
	return s.commitTree(ctx, tree, message, who, base, head)
}

func (s *gitStore) commitTree(ctx context.Context, tree, message string, who signature, parents ...string) (string, error) {
	args := []string{"commit-tree", tree}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	date := fmt.Sprintf("%d %s", who.at.Unix(), who.at.Format("-0700"))
	out, err := s.run(ctx, gitRun{args: args, stdin: []byte(message), env: []string{
		"GIT_AUTHOR_NAME=" + who.name, "GIT_AUTHOR_EMAIL=" + who.email, "GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date,
	}})
	return strings.TrimSpace(out), err
}

// mergeTree is the tree of a merge. It works with gits older than merge-tree --write-tree.
func (s *gitStore) mergeTree(ctx context.Context, base, head string) (string, error) {
	ancestor, err := s.mergeBase(ctx, base, head)
	if err != nil {
		return "", err
	}
	if ancestor == base {
		c, err := s.commit(head)
		if err != nil {
			return "", err
		}
		return c.tree, nil
	}
	if ancestor == "" {
		return "", fmt.Errorf("no common history: %w", errConflict)
	}
	work, err := os.MkdirTemp("", "merge-")
	if err != nil {
		return "", fmt.Errorf("make a folder to merge in: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // a temporary folder that stays behind harms nobody
	env := []string{"GIT_INDEX_FILE=" + work + "/.index", "GIT_WORK_TREE=" + work}
	steps := [][]string{
		{"read-tree", "-i", "-m", "--aggressive", ancestor, base, head},
		{"merge-index", "-o", "git-merge-one-file", "-a"},
		{"write-tree"},
	}
	var out string
	for _, args := range steps {
		if out, err = s.run(ctx, gitRun{args: args, env: env, dir: work}); err != nil {
			if ctx.Err() != nil {
				return "", err
			}
			return "", fmt.Errorf("%w: %w", errConflict, err)
		}
	}
	return strings.TrimSpace(out), nil
}

// person is a signature of an account at a time.
func (a *account) signature(at time.Time) signature {
	return signature{name: a.name, email: a.email(), at: at}
}
