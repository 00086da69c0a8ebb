package githubclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of what is read of a repository without a clone.
const (
	maxFileBytes   = 1 << 20
	maxListedPaths = 100_000
)

// Read returns a file at a ref, at most 1 MiB. pipeline.ErrNotFound: there is no such file, ref or repository.
func (p *Pool) Read(ctx context.Context, repository pipeline.Repository, ref, path string) ([]byte, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("repos/%s/%s/contents/%s?ref=%s", repository.Owner, repository.Name, escapePath(path), url.QueryEscape(ref))
	read := func(ctx context.Context) (any, error) { return readRaw(ctx, client, address) }
	var content any
	if isSHA(ref) {
		content, err = p.shared(ctx, repository, address, read)
	} else {
		content, err = read(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of %s at %s: %w", path, repository.FullName(), ref, err)
	}
	data, _ := content.([]byte)
	return bytes.Clone(data), nil
}

func readRaw(ctx context.Context, client *github.Client, address string) ([]byte, error) {
	req, err := client.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/vnd.github.raw+json")
	resp, err := client.BareDo(ctx, req)
	if err != nil {
		return nil, explained(err)
	}
	defer resp.Body.Close() //nolint:errcheck // the body has been read; closing has nothing to tell
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFileBytes {
		return nil, errors.New("it is larger than 1 MiB")
	}
	// A folder is answered with a listing; a file has the media type that was asked for.
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && kind == "application/json" && bytes.HasPrefix(data, []byte("[")) {
		return nil, fmt.Errorf("%w: it is a folder", pipeline.ErrNotFound)
	}
	return data, nil
}

// shared asks once for what many want at the same time and what never changes.
func (p *Pool) shared(ctx context.Context, repository pipeline.Repository, address string, ask func(context.Context) (any, error)) (any, error) {
	key := fmt.Sprintf("%d %s", repository.InstallationID, address)
	answer := p.reads.DoChan(key, func() (any, error) {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTimeout)
		defer cancel()
		return ask(withCaching(once, cacheImmutable))
	})
	select {
	case result := <-answer:
		return result.Val, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// List returns the paths of all files at a ref. A repository too large for one answer is walked from the top, so that of more
// than 100,000 files those nearest the root are listed.
func (p *Pool) List(ctx context.Context, repository pipeline.Repository, ref string) ([]string, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return nil, err
	}
	if isSHA(ref) {
		ctx = withCaching(ctx, cacheImmutable)
	}
	w := treeWalk{client: client, repository: repository}
	if err := w.run(ctx, ref); err != nil {
		return nil, fmt.Errorf("list the files of %s at %s: %w", repository.FullName(), ref, err)
	}
	return w.paths, nil
}

// treeWalk reads trees, each with all below it where GitHub can.
type treeWalk struct {
	client     *github.Client
	repository pipeline.Repository
	paths      []string
}

type subtree struct{ ref, prefix string }

func (w *treeWalk) run(ctx context.Context, ref string) error {
	queue := []subtree{{ref: ref}}
	for len(queue) > 0 && len(w.paths) < maxListedPaths {
		next := queue[0]
		queue = queue[1:]
		tree, err := w.tree(ctx, next.ref, true)
		if err != nil {
			return err
		}
		if tree.GetTruncated() {
			if tree, err = w.tree(ctx, next.ref, false); err != nil {
				return err
			}
			queue = append(queue, w.add(next.prefix, tree.Entries, true)...)
			continue
		}
		w.add(next.prefix, tree.Entries, false)
	}
	w.paths = w.paths[:min(len(w.paths), maxListedPaths)]
	return nil
}

func (w *treeWalk) tree(ctx context.Context, ref string, recursive bool) (*github.Tree, error) {
	tree, _, err := w.client.Git.GetTree(ctx, w.repository.Owner, w.repository.Name, url.PathEscape(ref), recursive)
	return tree, explained(err)
}

func (w *treeWalk) add(prefix string, entries []*github.TreeEntry, descend bool) (below []subtree) {
	for _, e := range entries {
		switch {
		case e.GetType() == "blob":
			w.paths = append(w.paths, prefix+e.GetPath())
		case e.GetType() == "tree" && descend:
			below = append(below, subtree{ref: e.GetSHA(), prefix: prefix + e.GetPath() + "/"})
		}
	}
	return below
}

// DefaultHead is the commit the default branch points to now. Callers that ask at the same time share an answer that is
// younger than any of their questions. pipeline.ErrNotFound: no such repository for the App, or it is empty.
func (p *Pool) DefaultHead(ctx context.Context, repository pipeline.Repository) (string, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintf("%d %s %s", repository.InstallationID, repository.FullName(), repository.DefaultBranch)
	return p.heads.do(ctx, key, func(ctx context.Context) (string, error) {
		sha, err := defaultHead(ctx, client, repository)
		if err != nil {
			return "", fmt.Errorf("find the default branch of %s: %w", repository.FullName(), err)
		}
		return sha, nil
	})
}

func defaultHead(ctx context.Context, client *github.Client, repository pipeline.Repository) (string, error) {
	branch := repository.DefaultBranch
	if branch == "" {
		found, _, err := client.Repositories.Get(ctx, repository.Owner, repository.Name)
		if err != nil {
			return "", explained(err)
		}
		branch = found.GetDefaultBranch()
	}
	ref, _, err := client.Git.GetRef(ctx, repository.Owner, repository.Name, "heads/"+branch)
	if status(err) == http.StatusConflict { // GitHub's word for a repository without any commit
		return "", fmt.Errorf("%w: the repository is empty", pipeline.ErrNotFound)
	}
	if err != nil {
		return "", explained(err)
	}
	return ref.GetObject().GetSHA(), nil
}

func escapePath(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// isSHA reports whether a ref is a commit or tree by its hash: what it names never changes.
func isSHA(ref string) bool {
	if len(ref) != 40 && len(ref) != 64 {
		return false
	}
	return strings.Trim(ref, "0123456789abcdef") == ""
}
