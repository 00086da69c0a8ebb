// Package secret finds the secrets of stages in a folder of the operator.
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
	"regexp"
	"strings"
	"syscall"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Parse reads the setting SLIPWAY_SECRETS: dir:PATH.
func Parse(setting string) (pipeline.SecretSource, error) {
	kind, value, _ := strings.Cut(setting, ":")
	switch {
	case kind == "dir" && value != "":
		folder, err := Dir(value)
		if err != nil {
			return nil, err
		}
		return folder, nil
	case kind == "dir":
		return nil, errors.New("SLIPWAY_SECRETS: dir: needs the path of a folder, as in dir:./secrets")
	case kind == "aws-secretsmanager":
		return nil, errors.New("SLIPWAY_SECRETS: aws-secretsmanager: is not supported by this version of Slipway; use dir:PATH with a folder that holds the secrets")
	default:
		return nil, fmt.Errorf("SLIPWAY_SECRETS: %q is no source of secrets; use dir:PATH", kind)
	}
}

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

const (
	// MinLength is how long a value is at least: shorter ones cannot be masked in a log without spoiling it.
	MinLength = 4
	// maxLength bounds what is read: a kubeconfig is some kilobytes.
	maxLength = 1 << 20
)

// InvalidError is a secret that is there and cannot be used.
type InvalidError struct{ Name, Problem string }

func (e *InvalidError) Error() string { return "secret " + e.Name + " " + e.Problem }

var (
	// secretName is a name that is an environment variable.
	secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)
	// folderName is what GitHub admits for owners, repositories and environments, less what a path could be steered with.
	folderName = regexp.MustCompile(`^[A-Za-z0-9._ -]{1,255}$`)
)

// Secret returns pipeline.ErrNotFound where nobody has set it.
func (f *Folder) Secret(_ context.Context, repository pipeline.Repository, environment, name string) (string, error) {
	if !secretName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a secret: letters, digits and underscores, not starting with a digit", name)
	}
	places, err := lookup(repository, environment)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("secret %s: %w", name, pipeline.ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("folder of secrets: %w", err)
	}
	defer root.Close() //nolint:errcheck // a folder opened for reading
	for _, place := range places {
		value, err := read(root, path.Join(place, name))
		switch {
		case err == nil:
			return value, nil
		case !errors.Is(err, pipeline.ErrNotFound):
			return "", err
		}
	}
	return "", fmt.Errorf("secret %s: %w", name, pipeline.ErrNotFound)
}

// lookup lists the folders, nearest first.
func lookup(repository pipeline.Repository, environment string) ([]string, error) {
	names := []string{repository.Owner, repository.Name}
	if environment != "" {
		names = append(names, environment)
	}
	for _, name := range names {
		if !folderName.MatchString(name) || name == "." || name == ".." {
			return nil, fmt.Errorf("%q cannot be a folder of secrets", name)
		}
	}
	var places []string
	for n := len(names); n > 0; n-- {
		places = append(places, path.Join(names[:n]...))
	}
	return places, nil
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
	value := dropNewline(string(content))
	switch {
	case len(content) > maxLength:
		return "", &InvalidError{secret, "is larger than 1 MiB"}
	case strings.ContainsRune(value, 0):
		return "", &InvalidError{secret, "holds a zero byte, which no environment variable can"}
	case len([]rune(value)) < MinLength:
		return "", &InvalidError{secret, fmt.Sprintf("has fewer than %d characters; such a value cannot be masked in logs", MinLength)}
	}
	return value, nil
}

// dropNewline takes off the one newline editors and echo leave.
func dropNewline(value string) string {
	value, cut := strings.CutSuffix(value, "\n")
	if cut {
		value = strings.TrimSuffix(value, "\r")
	}
	return value
}

// maxWarnings bounds Warnings.
const maxWarnings = 10

// Warnings tells of files and folders that other users of the machine can read, for the log at start and for doctor.
func (f *Folder) Warnings() ([]string, error) {
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
