package pythonenv

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/runner"
)

// installer is pip, or uv where it is present: the same wheels in a fraction of the time.
type installer struct {
	// uv is its path; empty: pip.
	uv string
}

func (t installer) name() string {
	if t.uv != "" {
		return "uv"
	}
	return "pip"
}

// installer looks for uv and makes sure that commands can see it.
func (b Builder) installer(ctx context.Context, i Interpreter) (installer, error) {
	path := "uv"
	if i.Image == "" {
		if path = b.findUV(); path == "" {
			return installer{}, nil
		}
	}
	exit, err := b.Session.Command(ctx, runner.Command{
		Args:    []string{"sh", "-c", `"$1" --version 2>/dev/null || exit 0`, "sh", path},
		Capture: true, Quiet: true, Image: i.Image,
	})
	if err != nil || !strings.HasPrefix(string(exit.Stdout), "uv ") {
		return installer{}, err
	}
	return installer{uv: path}, nil
}

func (b Builder) findUV() string {
	for _, dir := range append(filepath.SplitList(b.Machine.Path), b.homeBins()...) {
		path := filepath.Join(dir, "uv")
		if info, err := os.Stat(path); filepath.IsAbs(path) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			if program, err := exec.LookPath(path); err == nil {
				return program
			}
		}
	}
	return ""
}

func (b Builder) homeBins() []string {
	var dirs []string
	for _, home := range b.Machine.Homes {
		dirs = append(dirs, filepath.Join(home, ".local/bin"), filepath.Join(home, ".cargo/bin"))
	}
	return dirs
}

func (t installer) create(i Interpreter, dir string) []string {
	if t.uv != "" {
		return []string{t.uv, "venv", "--quiet", "--seed", "--no-project", "--python", i.Path, dir}
	}
	return []string{i.Path, "-I", "-m", "venv", dir}
}

// install returns the commands that fill an environment; pinned is where our own list lies. Byte code is compiled now: later nobody writes there.
func (t installer) install(dir string, r Requirements, pinned string) [][]string {
	if r.Empty() {
		return nil
	}
	python := filepath.Join(dir, "bin", "python")
	install := []string{python, "-m", "pip", "install"}
	if t.uv != "" {
		install = []string{t.uv, "pip", "install", "--compile-bytecode", "--python", python}
	}
	var commands [][]string
	if files := requirementArguments(r, pinned); len(files) > 0 {
		commands = append(commands, append(append([]string{}, install...), files...))
	}
	if r.Project {
		commands = append(commands, t.project(install, python, r)...)
	}
	return commands
}

func requirementArguments(r Requirements, pinned string) []string {
	var args []string
	for _, file := range r.Files {
		args = append(args, "--requirement="+file)
	}
	if pinned != "" {
		args = append(args, "--requirement="+pinned)
	}
	return args
}

func (t installer) project(install []string, python string, r Requirements) [][]string {
	target := "."
	if len(r.Extras) > 0 {
		target += "[" + strings.Join(r.Extras, ",") + "]"
	}
	args := append(append([]string{}, install...), "--editable", target)
	if len(r.Groups) == 0 {
		return [][]string{args}
	}
	for _, group := range r.Groups {
		args = append(args, "--group", group)
	}
	if t.uv != "" {
		return [][]string{args}
	}
	// Dependency groups came with pip 25.1; interpreters bring older ones.
	return [][]string{{python, "-m", "pip", "install", "--quiet", "--upgrade", "pip>=25.1"}, args}
}
