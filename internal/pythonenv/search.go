package pythonenv

import (
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// candidate is an executable that calls itself a Python; its version is what its name or folder says.
type candidate struct {
	path    string
	version Version
}

// Machine says where interpreters may lie. It is read once, so that tests can describe another machine.
type Machine struct {
	// Path is the search path for programs; Homes are folders that may hold .pyenv and .local.
	Path  string
	Homes []string
	// Globs are further patterns of bin folders.
	Globs []string
}

// ThisMachine looks where people and images put interpreters: the search path, pyenv, uv, /opt, and the tool cache of
// hosted runners.
func ThisMachine() Machine {
	m := Machine{Path: os.Getenv("PATH")}
	if home, err := os.UserHomeDir(); err == nil {
		m.Homes = append(m.Homes, home)
	}
	if u, err := user.Current(); err == nil {
		m.Homes = append(m.Homes, u.HomeDir)
	}
	if pyenv := os.Getenv("PYENV_ROOT"); pyenv != "" {
		m.Globs = append(m.Globs, filepath.Join(pyenv, "versions", "*", "bin"))
	}
	if uv := os.Getenv("UV_PYTHON_INSTALL_DIR"); uv != "" {
		m.Globs = append(m.Globs, filepath.Join(uv, "*", "bin"))
	}
	m.Globs = append(m.Globs, "/usr/local/bin", "/usr/bin", "/opt/*/bin", "/opt/python/*/bin",
		"/opt/hostedtoolcache/Python/*/*/bin", "/opt/pyenv/versions/*/bin", "/usr/local/pyenv/versions/*/bin")
	return m
}

func (m Machine) folders() []string {
	var folders []string
	for _, dir := range filepath.SplitList(m.Path) {
		// pyenv's shims pick a version by the folder they are run in: which one they are is not known.
		if filepath.IsAbs(dir) && filepath.Base(dir) != "shims" {
			folders = append(folders, dir)
		}
	}
	patterns := slices.Clone(m.Globs)
	for _, home := range m.Homes {
		patterns = append(patterns,
			filepath.Join(home, ".pyenv/versions/*/bin"), filepath.Join(home, ".local/share/uv/python/*/bin"),
			filepath.Join(home, ".local/bin"))
	}
	for _, pattern := range patterns {
		matches, err := filepath.Glob(pattern)
		if err != nil { // a pattern that is none: a home folder with a bracket in its name
			continue
		}
		folders = append(folders, matches...)
	}
	return folders
}

var (
	executable = regexp.MustCompile(`^python(\d\.\d{1,2})$`)
	release    = regexp.MustCompile(`(?:^|[^\d.])(\d\.\d{1,2}\.\d{1,3})(?:$|[^\d.])`)
)

// candidates lists every interpreter once, the preferred first.
func (m Machine) candidates() []candidate {
	var found []candidate
	seen := map[string]bool{}
	for _, dir := range m.folders() {
		matches, err := filepath.Glob(filepath.Join(escapeGlob(dir), "python3*"))
		if err != nil {
			continue
		}
		for _, path := range matches {
			target, err := filepath.EvalSymlinks(path)
			if err != nil || seen[target] {
				continue
			}
			version, ok := versionOf(target)
			if info, err := os.Stat(target); !ok || err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
				continue
			}
			seen[target] = true
			found = append(found, candidate{target, version})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return newestFirst(a.version, b.version) })
	return found
}

// versionOf reads python3.13 from the name, and the patch release from the folder (pyenv, uv, hosted runners) if it is there.
func versionOf(path string) (Version, bool) {
	m := executable.FindStringSubmatch(filepath.Base(path))
	if m == nil {
		return Version{}, false
	}
	version, _, err := parseVersion(m[1])
	if err != nil {
		return Version{}, false
	}
	for part := range strings.SplitSeq(filepath.Dir(path), string(filepath.Separator)) {
		if r := release.FindStringSubmatch(part); r != nil {
			if full, _, err := parseVersion(r[1]); err == nil && full.Minor() == version.Minor() {
				version = full
			}
		}
	}
	return version, true
}

func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}
