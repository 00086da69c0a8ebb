package command

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Bounds of one cache entry.
const (
	maxCacheBytes = 4 << 30
	maxCacheFiles = 500_000
)

// pack writes the paths of the checkout into a tar file that appears whole or not at all. Links are kept as links; pipes
// and devices stay behind.
func pack(ctx context.Context, root *os.Root, paths []string, file string) (n int, err error) {
	out, err := os.CreateTemp(filepath.Dir(file), "saving-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	p := packer{ctx: ctx, root: root, w: tar.NewWriter(out), left: maxCacheBytes}
	for _, name := range paths {
		if err = p.add(name); err != nil {
			break
		}
	}
	if err = errors.Join(err, p.w.Close(), out.Close()); err != nil {
		return 0, err
	}
	return p.files, os.Rename(out.Name(), file)
}

type packer struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of pack
	root  *os.Root
	w     *tar.Writer
	left  int64
	files int
}

func (p *packer) add(name string) error {
	name = path.Clean(name)
	if !fs.ValidPath(name) {
		return fmt.Errorf("%s lies outside the checkout", name)
	}
	return fs.WalkDir(p.root.FS(), name, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case p.ctx.Err() != nil:
			return context.Cause(p.ctx)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		if p.files++; p.files > maxCacheFiles {
			return fmt.Errorf("more than %d files", maxCacheFiles)
		}
		return p.entry(name, entry)
	})
}

func (p *packer) entry(name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	target := ""
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if target, err = p.root.Readlink(filepath.FromSlash(name)); err != nil {
			return err
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		return nil
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name, header.Uname, header.Gname, header.Uid, header.Gid = name, "", "", 0, 0
	if p.left -= header.Size; p.left < 0 {
		return fmt.Errorf("more than %d GiB", maxCacheBytes>>30)
	}
	if err := p.w.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := p.root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	_, err = io.Copy(p.w, io.LimitReader(f, header.Size))
	return errors.Join(err, f.Close())
}

// unpack brings a saved entry back. Everything goes through the checkout's root, so that a link in the archive cannot
// lead a later file out of it.
func unpack(ctx context.Context, file string, root *os.Root) (n int, err error) {
	in, err := os.Open(file) //nolint:gosec // an entry of the cache, whose name is a hash
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	now := time.Now()
	if err := os.Chtimes(file, now, now); err != nil { // the time of last use, for evict
		return 0, err
	}
	r := tar.NewReader(in)
	for n = 0; ; n++ {
		header, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case ctx.Err() != nil:
			return n, context.Cause(ctx)
		case n == maxCacheFiles:
			return n, fmt.Errorf("more than %d files", maxCacheFiles)
		}
		if err := place(root, header, r); err != nil {
			return n, fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func place(root *os.Root, header *tar.Header, r io.Reader) error {
	name := path.Clean(strings.TrimSuffix(header.Name, "/"))
	if !fs.ValidPath(name) {
		return errors.New("lies outside the checkout")
	}
	local := filepath.FromSlash(name)
	mode := header.FileInfo().Mode().Perm()
	if header.Typeflag == tar.TypeDir {
		return root.MkdirAll(local, mode|0o700)
	}
	if dir := filepath.Dir(local); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := root.RemoveAll(local); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, local)
	case tar.TypeReg:
	default:
		return nil
	}
	f, err := root.OpenFile(local, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Chtimes(local, header.ModTime, header.ModTime)
}
