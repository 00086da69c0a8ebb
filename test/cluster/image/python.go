package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// interpreter is a CPython of the machine in a folder of its own, which works wherever it is copied to.
type interpreter struct {
	prefix  string
	version string // 3.13.0
}

// findInterpreter looks where scripts/setup does.
func findInterpreter(ctx context.Context, version string) (interpreter, error) {
	candidates := []string{"python" + version}
	pyenv := os.Getenv("PYENV_ROOT")
	if pyenv == "" {
		pyenv = filepath.Join(os.Getenv("HOME"), ".pyenv")
	}
	for _, pattern := range []string{filepath.Join(pyenv, "versions", version+".*", "bin", "python3"), "/opt/python/*/bin/python" + version} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return interpreter{}, err
		}
		candidates = append(candidates, found...)
	}
	for _, candidate := range candidates {
		// A name on PATH may be a shim that finds nothing; the next one is asked then.
		out, err := exec.CommandContext(ctx, candidate, "-Ic", "import platform, sys; print(sys.base_prefix, platform.python_version())").Output() //nolint:gosec // an interpreter of the machine
		if err != nil {
			continue
		}
		prefix, full, ok := strings.Cut(strings.TrimSpace(string(out)), " ")
		if ok && prefix != "/usr" && strings.HasPrefix(full, version+".") {
			return interpreter{prefix, full}, nil
		}
	}
	return interpreter{}, fmt.Errorf("there is no Python %s in a folder of its own; with uv: UV_PYTHON_INSTALL_DIR=/opt/python uv python install %s", version, version)
}

// packages are those that hold the libraries the interpreter and its modules need.
func (i interpreter) packages(ctx context.Context) ([]string, error) {
	files := map[string]bool{}
	err := filepath.WalkDir(i.prefix, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !strings.Contains(entry.Name(), ".so") || i.leaveOut(path) {
			return err
		}
		needed, err := libraries(ctx, path)
		for _, file := range needed {
			if !strings.HasPrefix(file, i.prefix) {
				files[file] = true
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return packages(ctx, sorted(files))
}

// leaveOut is true for what an image does not need, and for what somebody installed into this interpreter.
func (i interpreter) leaveOut(path string) bool {
	for _, part := range []string{"/site-packages/", "/test/", "/idlelib/", "/__pycache__/", "/config-"} {
		if strings.Contains(path+"/", part) {
			return true
		}
	}
	return strings.HasSuffix(path, ".a")
}

// install copies the interpreter into the tree, to where the official image has it, and gives it pip.
func (i interpreter) install(ctx context.Context, root string) error {
	local := filepath.Join(root, "usr", "local")
	short := i.version[:strings.LastIndexByte(i.version, '.')]
	if err := os.MkdirAll(filepath.Join(local, "lib"), 0o755); err != nil { //nolint:gosec // as in any image
		return err
	}
	parts := []string{"bin/python" + short, "lib/python" + short}
	shared, err := filepath.Glob(filepath.Join(i.prefix, "lib", "libpython*.so*"))
	if err != nil {
		return err
	}
	for _, library := range shared {
		parts = append(parts, "lib/"+filepath.Base(library))
	}
	for _, part := range parts {
		if err := i.copy(filepath.Join(i.prefix, part), filepath.Join(local, part)); err != nil {
			return err
		}
	}
	for _, link := range []string{"python", "python3"} {
		if err := os.Symlink("python"+short, filepath.Join(local, "bin", link)); err != nil {
			return err
		}
	}
	for _, command := range [][]string{{"ldconfig"}, {"python3", "-m", "ensurepip", "--default-pip"}, append([]string{"python3"}, compileAll("/usr/local/lib/python"+short)...)} {
		if err := within(ctx, root, command...); err != nil {
			return err
		}
	}
	return nil
}

// compileAll are the arguments that make an interpreter compile a folder. Layers keep no times, by which Python would
// else see whether its compiled files are still good; containers that cannot write would compile at every start.
func compileAll(dir string) []string {
	return []string{"-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", dir}
}

func (i interpreter) copy(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if i.leaveOut(path) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyEntry(path, filepath.Join(to, name), entry)
	})
}

func copyEntry(from, to string, entry fs.DirEntry) error {
	switch {
	case entry.IsDir():
		return os.MkdirAll(to, 0o755) //nolint:gosec // as in any image
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case !entry.Type().IsRegular():
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from) //nolint:gosec // a file of the interpreter
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm()|0o444) //nolint:gosec // everybody in the image reads it
}

// within runs a program of the tree, which sees nothing but the tree.
func within(ctx context.Context, root string, command ...string) error {
	cmd := exec.CommandContext(ctx, "chroot", append([]string{root}, command...)...) //nolint:gosec // a list of ours
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "PIP_ROOT_USER_ACTION=ignore"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", strings.Join(command, " "), err), errors.New(strings.TrimSpace(string(out))))
	}
	return nil
}
