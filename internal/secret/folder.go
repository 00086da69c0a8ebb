package secret

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Folder is a folder of secrets, a file each, looked up as owner/repository/environment/NAME, then
// owner/repository/NAME, then owner/NAME.
type Folder struct{ path string }

// Dir returns the source of a folder. It need not exist yet: without it no secret is set.
func Dir(dir string) (*Folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("folder of secrets: %w", err)
	}
	info, err := os.Stat(abs)
	switch {
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("folder of secrets: %s is a file; name the folder that holds owner/NAME files", abs)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("folder of secrets: %w", err)
	}
	return &Folder{path: abs}, nil
}

// Secret returns pipeline.ErrNotFound where nobody has set it.
func (f *Folder) Secret(_ context.Context, repository pipeline.Repository, environment, name string) (string, error) {
	root, err := os.OpenRoot(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return find(repository, environment, name, func(string) (string, error) { return "", pipeline.ErrNotFound })
	}
	if err != nil {
		return "", fmt.Errorf("folder of secrets: %w", err)
	}
	defer root.Close() //nolint:errcheck // a folder opened for reading
	return find(repository, environment, name, func(place string) (string, error) { return read(root, place) })
}

// read follows links inside the folder only: mounted secrets of Kubernetes are such links.
func read(root *os.Root, name string) (string, error) {
	secret := path.Base(name)
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), err == nil && info.IsDir():
		return "", pipeline.ErrNotFound
	case err != nil:
		return "", fmt.Errorf("read secret %s: %w", secret, err)
	case !info.Mode().IsRegular():
		return "", &InvalidError{secret, "is no ordinary file"}
	}
	file, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", secret, err)
	}
	defer file.Close() //nolint:errcheck // opened for reading
	content, err := io.ReadAll(io.LimitReader(file, maxLength+1))
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", secret, err)
	}
	return usable(secret, content)
}

// maxWarnings bounds Warnings.
const maxWarnings = 10

// Warnings tells of files and folders that other users of the machine can read, for the log at start and for doctor.
func (f *Folder) Warnings(context.Context) ([]string, error) {
	root, err := os.OpenRoot(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"the folder of secrets " + f.path + " does not exist; no stage has a secret"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("folder of secrets: %w", err)
	}
	defer root.Close() //nolint:errcheck // a folder opened for reading
	info, err := root.Stat(".")
	if err != nil {
		return nil, fmt.Errorf("folder of secrets: %w", err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil, nil // closed to others, and so is everything below
	}
	warnings := []string{fmt.Sprintf("the folder of secrets %s is open to other users (mode %04o): chmod 700 %s", f.path, info.Mode().Perm(), f.path)}
	err = fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if perm := info.Mode().Perm(); perm&0o077 != 0 {
			warnings = append(warnings, fmt.Sprintf("the secret %s is open to other users (mode %04o): chmod 600", name, perm))
		}
		if len(warnings) >= maxWarnings {
			return fs.SkipAll
		}
		return nil
	})
	return warnings, err
}
