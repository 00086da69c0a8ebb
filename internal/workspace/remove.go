package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// removeTree removes a folder with whatever a stage left there, also folders it made unwritable (Go's module cache is
// one), without following links.
func removeTree(path string) error {
	err := os.RemoveAll(path)
	if err == nil || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err := openFolders(path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// openFolders gives us back the right to write to every folder below path. os.Root keeps a link that takes the place
// of a folder in the meantime from leading out.
func openFolders(path string) error {
	if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a folder needs its x
		return fmt.Errorf("make %s writable: %w", path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	return errors.Join(openBelow(root, "."), root.Close())
}

func openBelow(root *os.Root, dir string) error {
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(dir))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		name := filepath.Join(dir, entry.Name())
		if err := root.Chmod(name, 0o700); err != nil {
			return err
		}
		if err := openBelow(root, name); err != nil {
			return err
		}
	}
	return nil
}
