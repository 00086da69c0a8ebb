package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// toolchains finds the folders that programs on PATH need and that lie outside what is shown already: the prefix of an
// interpreter (/root/.pyenv, /home/ci/miniconda3), never a home folder as a whole.
func toolchains(path string, shown []string) []string {
	found := &prefixes{shown: slices.Clone(shown)}
	for _, dir := range filepath.SplitList(path) {
		if filepath.IsAbs(dir) {
			found.addPrograms(filepath.Clean(dir))
		}
	}
	return found.added
}

type prefixes struct {
	shown []string
	added []string
}

// addPrograms shows a folder of programs, what belongs to it, and what its links point to.
func (p *prefixes) addPrograms(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // a PATH may name folders that do not exist
	}
	if strings.HasPrefix(dir, "/usr/") && dir != "/usr/local/bin" || dir == "/bin" || dir == "/sbin" {
		return // the distribution's: nothing there points outside
	}
	p.add(prefixOf(dir))
	for _, companion := range companions(dir) {
		if _, err := os.Stat(companion); err == nil {
			p.add(companion)
		}
	}
	for _, entry := range entries {
		if entry.Type()&os.ModeSymlink == 0 {
			continue
		}
		if target, err := filepath.EvalSymlinks(filepath.Join(dir, entry.Name())); err == nil {
			p.addProgram(target)
		}
	}
	p.addBase(filepath.Join(filepath.Dir(dir), "pyvenv.cfg"))
}

// addProgram shows a program that a link on PATH leads to, with its prefix when it lies in one.
func (p *prefixes) addProgram(file string) {
	if within(file, p.shown) {
		return
	}
	if dir := filepath.Dir(file); programFolder(dir) {
		p.add(prefixOf(dir))
		return
	}
	p.add(file)
}

// addBase follows a virtual environment to the interpreter it was made from.
func (p *prefixes) addBase(config string) {
	text, err := os.ReadFile(config) //nolint:gosec // the pyvenv.cfg beside a program on the machine's PATH
	if err != nil {
		return // not a virtual environment
	}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(line, "=")
		if found && strings.TrimSpace(name) == "home" {
			p.addProgram(filepath.Join(strings.TrimSpace(value), "python"))
		}
	}
}

func (p *prefixes) add(path string) {
	if within(path, p.shown) {
		return
	}
	p.shown = append(p.shown, path)
	p.added = append(p.added, path)
}

func programFolder(dir string) bool {
	return slices.Contains([]string{"bin", "sbin", "shims", "condabin"}, filepath.Base(dir))
}

// prefixOf is the folder above bin when that is a toolchain's and not somebody's home: it then holds libraries beside
// its programs. Otherwise it is the folder of programs alone, for what lies beside it may be anything.
func prefixOf(dir string) string {
	prefix := filepath.Dir(dir)
	if !programFolder(dir) {
		return dir
	}
	if _, err := os.Stat(filepath.Join(prefix, "pyvenv.cfg")); err == nil {
		return prefix // a virtual environment holds nothing else, wherever it lies
	}
	if privatePrefix(prefix) {
		return dir
	}
	for _, mark := range []string{"lib", "lib64", "libexec", "versions", "pkg/tool"} {
		if _, err := os.Stat(filepath.Join(prefix, mark)); err == nil {
			return prefix
		}
	}
	return dir
}

// privatePrefix reports folders that hold more than a toolchain: the root, homes, and folders of programs in homes
// that keep credentials beside them.
func privatePrefix(prefix string) bool {
	if slices.Contains([]string{".local", ".cargo", "go", ".npm", ".config"}, filepath.Base(prefix)) {
		return true
	}
	parent := filepath.Dir(prefix)
	return prefix == "/" || prefix == "/root" || parent == "/home" || parent == "/Users" || parent == "/" && prefix != "/usr"
}

// companions are the folders that programs in a home reach for by a fixed name.
func companions(dir string) []string {
	prefix := filepath.Dir(dir)
	home := filepath.Dir(prefix)
	switch filepath.Base(prefix) {
	case ".cargo":
		return []string{filepath.Join(home, ".rustup")}
	case ".local":
		return []string{filepath.Join(prefix, "lib"), filepath.Join(prefix, "share", "uv"), filepath.Join(prefix, "share", "pipx", "venvs")}
	default:
		return nil
	}
}
