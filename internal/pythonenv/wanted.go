package pythonenv

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/BurntSushi/toml"
)

const maxFile = 1 << 20

// Wanted finds which Python a checkout asks for: the stage's setting, .python-version, requires-python of
// pyproject.toml (or Poetry's own key), else the default.
func Wanted(root *os.Root, setting string) (Request, error) {
	if setting != "" {
		return ParseRequest(setting, "the stage itself")
	}
	text, err := read(root, ".python-version")
	if err != nil {
		return Request{}, err
	}
	for line := range strings.Lines(text) {
		if line, _, _ = strings.Cut(line, "#"); strings.TrimSpace(line) != "" {
			return ParseRequest(line, ".python-version")
		}
	}
	project, err := readProject(root)
	if err != nil {
		return Request{}, err
	}
	if project.Project.RequiresPython != "" {
		return ParseRequest(project.Project.RequiresPython, "requires-python of pyproject.toml")
	}
	if poetry, ok := project.Tool.Poetry.Dependencies["python"].(string); ok {
		return ParseRequest(poetry, "tool.poetry.dependencies.python of pyproject.toml")
	}
	return ParseRequest(DefaultVersion, "the default")
}

// projectFile is what counts of pyproject.toml.
type projectFile struct {
	Project struct {
		Name           string              `toml:"name"`
		RequiresPython string              `toml:"requires-python"`
		Extras         map[string][]string `toml:"optional-dependencies"`
	} `toml:"project"`
	Groups      map[string]any `toml:"dependency-groups"`
	BuildSystem map[string]any `toml:"build-system"`
	Tool        struct {
		Poetry struct {
			Name         string         `toml:"name"`
			Dependencies map[string]any `toml:"dependencies"`
		} `toml:"poetry"`
	} `toml:"tool"`
}

func readProject(root *os.Root) (projectFile, error) {
	var project projectFile
	text, err := read(root, "pyproject.toml")
	if err != nil {
		return project, err
	}
	if _, err := toml.Decode(text, &project); err != nil {
		return project, fmt.Errorf("pyproject.toml: %w", err)
	}
	return project, nil
}

// read returns a regular file of the checkout, empty when there is none. A pipe of that name must not hold us up.
func read(root *os.Root, name string) (string, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("%s is larger than %d KiB", name, maxFile>>10)
	}
	return string(text), nil
}

// ReadFile returns a small regular file of the checkout, empty when there is none.
func ReadFile(root *os.Root, name string) (string, error) { return read(root, name) }
