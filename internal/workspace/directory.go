package workspace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxNesting bounds repositories inside repositories of a copied folder.
const maxNesting = 20

// copyDirectory copies a person's folder: inside a git repository what is tracked or not ignored, elsewhere everything
// but .git. The original is only read; hard links to it would let a stage write into it.
func (w *Workspace) copyDirectory(ctx context.Context, dir string, log func(string)) (*Checkout, error) {
	start := time.Now()
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", dir, err)
	}
	s, err := acquire(filepath.Join(w.dir, "trees", "folder"), "", false)
	if err != nil {
		return nil, err
	}
	c := &directoryCopy{git: w.git, log: log}
	if err := errors.Join(s.wipe(), c.copyTo(ctx, dir, s.tree())); err != nil {
		return nil, errors.Join(explainCopy(dir, w.dir, err), s.remove(), s.free())
	}
	borrowed, err := w.personalDotGit(ctx, dir, s.tree())
	if err != nil {
		return nil, errors.Join(err, s.remove(), s.free())
	}
	log(fmt.Sprintf("copied %d files of %s in %s", c.files, dir, time.Since(start).Round(time.Millisecond)))
	return &Checkout{
		Dir: s.tree(), ReadOnly: borrowed, slot: s,
		close: func() error { return errors.Join(s.remove(), s.free()) },
	}, nil
}

func explainCopy(dir, to string, err error) error {
	if kindOf(err) == KindDisk {
		return &Error{Kind: KindDisk, Infrastructure: true, Err: err, Message: fmt.Sprintf("the disk that holds %s is full: free some space there", to)}
	}
	return fmt.Errorf("copy %s: %w", dir, err)
}

type directoryCopy struct {
	git   git
	log   func(string)
	files int
}

func (c *directoryCopy) copyTo(ctx context.Context, from, to string) error {
	src, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // a folder opened for reading
	dst, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer dst.Close() //nolint:errcheck // a folder opened for reading
	names, err := c.list(ctx, from, ".", 0)
	if err != nil {
		return err
	}
	if err := makeFolders(dst, names); err != nil {
		return err
	}
	c.files = len(names)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2 * runtime.NumCPU())
	for _, name := range names {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return c.copyEntry(src, dst, name)
		})
	}
	return group.Wait()
}

// list names the files below base, which is relative to the folder that is copied.
func (c *directoryCopy) list(ctx context.Context, root, base string, depth int) ([]string, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("more than %d repositories inside one another", maxNesting)
	}
	dir := filepath.Join(root, base)
	if !insideRepository(dir) {
		return walkAll(root, base)
	}
	out, err := c.git.run(ctx, call{
		args:     []string{"ls-files", "-z", "--cached", "--others", "--exclude-standard"},
		dir:      dir,
		personal: true,
		// A folder mounted into a container belongs to another user; only names are read from it.
		config: []setting{{"safe.directory", "*"}},
	})
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	folders := map[string]bool{}
	for raw := range bytes.SplitSeq(out, []byte{0}) {
		name := path.Clean(string(raw))
		if len(raw) == 0 || seen[name] || !filepath.IsLocal(name) || !realFolder(dir, path.Dir(name), folders) {
			continue
		}
		seen[name] = true
		info, err := os.Lstat(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // tracked and deleted
		case err != nil:
			return nil, err
		case info.IsDir(): // a submodule, or a repository inside the repository
			nested, err := c.list(ctx, root, filepath.Join(base, name), depth+1)
			if err != nil {
				return nil, err
			}
			names = append(names, nested...)
		default:
			names = append(names, filepath.Join(base, name))
		}
	}
	return names, nil
}

// realFolder reports whether name below dir is a folder all the way: of a tracked folder that became a link, the link is
// copied and what git still lists below it is not.
func realFolder(dir, name string, known map[string]bool) bool {
	if name == "." {
		return true
	}
	folder, ok := known[name]
	if !ok {
		info, err := os.Lstat(filepath.Join(dir, name))
		folder = err == nil && info.IsDir() && realFolder(dir, path.Dir(name), known)
		known[name] = folder
	}
	return folder
}

// insideRepository looks for a .git here or above, as git does.
func insideRepository(dir string) bool {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return false
		}
		dir = parent
	}
}

func walkAll(root, base string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(filepath.Join(root, base), func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.Name() == ".git" && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || entry.Name() == ".git":
			return nil
		}
		name, err := filepath.Rel(root, file)
		names = append(names, name)
		return err
	})
	return names, err
}

func makeFolders(dst *os.Root, names []string) error {
	made := map[string]bool{".": true}
	for _, name := range names {
		dir := filepath.Dir(name)
		if made[dir] {
			continue
		}
		made[dir] = true
		if err := dst.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// copyEntry copies a file's content and its permissions, or a link as a link. What is neither is left out: opening a
// pipe would wait for ever.
func (c *directoryCopy) copyEntry(src, dst *os.Root, name string) error {
	info, err := src.Lstat(name)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case 0:
		return copyFile(src, dst, name, info.Mode().Perm())
	case fs.ModeSymlink:
		target, err := src.Readlink(name)
		if err != nil {
			return err
		}
		return dst.Symlink(target, name)
	default:
		c.log(fmt.Sprintf("left out %s: neither a file nor a link", printable(name)))
		return nil
	}
}

func copyFile(src, dst *os.Root, name string, perm fs.FileMode) (err error) {
	in, err := src.Open(name)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // opened for reading
	out, err := dst.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, perm|0o200)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	// On Linux this is copy_file_range: file systems that can share the blocks until one side writes do.
	_, err = io.Copy(out, in)
	return err
}
