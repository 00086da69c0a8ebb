package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// archive is a layer being written. Times are left out, so that the same files make the same layer.
type archive struct {
	file *os.File
	tar  *tar.Writer
	seen map[string]bool
}

func newArchive(dir string) (*archive, error) {
	file, err := os.CreateTemp(dir, "layer-*.tar")
	if err != nil {
		return nil, err
	}
	return &archive{file, tar.NewWriter(file), map[string]bool{}}, nil
}

// layer ends the archive. Its file must stay as long as the layer is used.
func (a *archive) layer() (v1.Layer, error) {
	if err := errors.Join(a.tar.Close(), a.file.Close()); err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(a.file.Name(), tarball.WithCompressedCaching)
}

func (a *archive) header(h tar.Header) error {
	h.Name = strings.TrimPrefix(h.Name, "/")
	if a.seen[h.Name] {
		return nil
	}
	a.seen[h.Name] = true
	h.Format = tar.FormatPAX
	return a.tar.WriteHeader(&h)
}

// folder adds a folder and those above it; mode and owner are the innermost one's.
func (a *archive) folder(name string, mode int64, owner int) error {
	name = strings.Trim(name, "/")
	if above := path.Dir(name); above != "." {
		if err := a.folder(above, 0o755, 0); err != nil {
			return err
		}
	}
	return a.header(tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode, Uid: owner, Gid: owner})
}

// link adds a symbolic link.
func (a *archive) link(name, to string) error {
	if err := a.folder(path.Dir(name), 0o755, 0); err != nil {
		return err
	}
	return a.header(tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to, Mode: 0o777})
}

// text adds a small file.
func (a *archive) text(name, content string) error {
	if err := a.folder(path.Dir(name), 0o755, 0); err != nil {
		return err
	}
	if err := a.header(tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := io.WriteString(a.tar, content)
	return err
}

// program adds a file of the machine under a name of its own, unless it is there.
func (a *archive) program(name, from string) error {
	if a.seen[strings.TrimPrefix(name, "/")] {
		return nil
	}
	if err := a.folder(path.Dir(name), 0o755, 0); err != nil {
		return err
	}
	file, err := os.Open(from) //nolint:gosec // what the image is made from
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was read only
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := a.header(tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(a.tar, file)
	return err
}

// tree adds what is below a folder of the machine, with its owners, but for what the function leaves out.
func (a *archive) tree(root string, leaveOut func(name string) bool) error {
	linked := map[uint64]string{} // names of files with several, by inode
	return filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, at)
		if err != nil || name == "." {
			return err
		}
		if leaveOut(name) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err := a.entry(at, name, entry, linked); err != nil {
			return fmt.Errorf("add %s: %w", name, err)
		}
		return nil
	})
}

func (a *archive) entry(at, name string, entry fs.DirEntry, linked map[uint64]string) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	system, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner is not known")
	}
	h := tar.Header{Name: name, Mode: int64(system.Mode & 0o7777), Uid: int(system.Uid), Gid: int(system.Gid)}
	switch {
	case entry.IsDir():
		h.Name, h.Typeflag = name+"/", tar.TypeDir
		return a.header(h)
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(at); err != nil {
			return err
		}
		return a.header(h)
	case !info.Mode().IsRegular():
		return nil // a device or a socket: containers get their own
	}
	if first, again := linked[system.Ino]; again {
		h.Typeflag, h.Linkname = tar.TypeLink, first
		return a.header(h)
	}
	if system.Nlink > 1 {
		linked[system.Ino] = name
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := a.header(h); err != nil {
		return err
	}
	file, err := os.Open(at) //nolint:gosec // what the image is made from
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was read only
	_, err = io.Copy(a.tar, file)
	return err
}
