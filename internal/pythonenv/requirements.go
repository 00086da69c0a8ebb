package pythonenv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Requirements are what an environment is to hold.
type Requirements struct {
	// Files are requirement files of the checkout, for pip's -r, in order.
	Files []string
	// Project installs the checkout itself, editable, with Extras and Groups of its pyproject.toml.
	Project        bool
	Extras, Groups []string
	// Pinned is the text of a requirement file of our own: tools, whatever the repository asks for. Name says what they are.
	Pinned, Name string
}

// Empty reports whether there is nothing to install.
func (r Requirements) Empty() bool { return len(r.Files) == 0 && !r.Project && r.Pinned == "" }

// String names them for steps and messages.
func (r Requirements) String() string {
	names := slices.Clone(r.Files)
	if r.Name != "" {
		names = append(names, r.Name)
	}
	if r.Project {
		names = append(names, "pyproject.toml")
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// developmentExtras are the names under which projects keep what their tests need.
func developmentExtras() []string { return []string{"test", "tests", "testing", "dev"} }

// Detect finds what to install: the files of the setting, which must exist ("pyproject.toml" means the project itself);
// without a setting requirements.txt, requirements-dev.txt and requirements-test.txt as far as they exist; without those
// the project of pyproject.toml with its extras and groups named test, tests, testing or dev.
func Detect(root *os.Root, setting []string) (Requirements, error) {
	var r Requirements
	for _, name := range setting {
		if path.Base(name) == "pyproject.toml" {
			if err := r.addProject(root, name); err != nil {
				return r, err
			}
			continue
		}
		if !isFile(root, name) {
			return r, &Failure{
				Title: name + " does not exist",
				Cause: fmt.Sprintf("The stage installs %s, but the commit has no such file.", name),
			}
		}
		r.Files = append(r.Files, path.Clean(name))
	}
	if len(setting) > 0 {
		return r, nil
	}
	for _, name := range []string{"requirements.txt", "requirements-dev.txt", "requirements-test.txt"} {
		if isFile(root, name) {
			r.Files = append(r.Files, name)
		}
	}
	if len(r.Files) > 0 || !isFile(root, "pyproject.toml") {
		return r, nil
	}
	return r, r.addProject(root, "pyproject.toml")
}

func (r *Requirements) addProject(root *os.Root, name string) error {
	if path.Clean(name) != "pyproject.toml" || !isFile(root, name) {
		return &Failure{Title: name + " does not exist", Cause: fmt.Sprintf("The stage installs the project of %s, but the commit has no such file at its top.", name)}
	}
	project, err := readProject(root)
	if err != nil {
		return &Failure{Title: "pyproject.toml cannot be read", Cause: err.Error()}
	}
	// A pyproject.toml that only configures tools describes nothing to install.
	r.Project = project.Project.Name != "" || project.Tool.Poetry.Name != "" || len(project.BuildSystem) > 0
	for _, extra := range developmentExtras() {
		if _, ok := project.Project.Extras[extra]; ok {
			r.Extras = append(r.Extras, extra)
		}
		if _, ok := project.Groups[extra]; ok {
			r.Groups = append(r.Groups, extra)
		}
	}
	return nil
}

func isFile(root *os.Root, name string) bool {
	info, err := root.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// contents is every requirement file with those it includes.
type contents struct {
	hash []byte
	// pinned: every requirement names one exact version, so that time does not matter.
	pinned bool
	// local: something of the checkout itself is installed, so that the environment serves this commit alone.
	local bool
}

const maxIncluded = 50

var (
	include     = regexp.MustCompile(`^(?:-r|--requirement|-c|--constraint)(?:\s+|=|\s*)(\S.*)$`)
	localPath   = regexp.MustCompile(`^(?:\.{0,2}/|\.$|\.\.$|\.\[|file:|[\w./-]+\.(?:whl|zip|tar\.gz)$|[\w-]+(?:\[[^\]]*\])?\s*@\s*file:)`)
	exactly     = regexp.MustCompile(`^[\w.-]+(?:\s*\[[^\]]*\])?\s*={2,3}\s*[^*\s,;]+\s*(?:;.*)?$`)
	pipOption   = regexp.MustCompile(`^--?[a-zA-Z]`)
	editable    = regexp.MustCompile(`^(?:-e|--editable)(?:\s+|=|\s*)(\S.*)$`)
	hashOptions = regexp.MustCompile(`\s+--hash[= ]\S+`)
)

// readContents hashes the files and what they include. Two commits with the same hash ask for the same environment.
func readContents(root *os.Root, files []string) (contents, error) {
	c := contents{pinned: true}
	sum := sha256.New()
	queue, seen := slices.Clone(files), map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		if len(seen) > maxIncluded {
			return c, &Failure{Title: "Too many requirement files", Cause: fmt.Sprintf("The requirement files include more than %d others.", maxIncluded)}
		}
		if !isFile(root, name) {
			return c, &Failure{Title: name + " does not exist", Cause: fmt.Sprintf("A requirement file includes %s, but the commit has no such file.", name)}
		}
		text, err := read(root, name)
		if err != nil {
			return c, readFailure(name, err)
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s\n", name, len(text), text) // a hash never fails
		queue = append(queue, c.scan(text, path.Dir(name))...)
	}
	c.hash = sum.Sum(nil)
	return c, nil
}

func readFailure(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return &Failure{Title: name + " cannot be read", Cause: err.Error()}
}

// scan notes what kind of requirements a file holds and returns the files it includes.
func (c *contents) scan(text, dir string) (included []string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if comment := strings.Index(line, " #"); comment >= 0 {
			line = strings.TrimSpace(line[:comment])
		}
		line = hashOptions.ReplaceAllString(line, "")
		switch {
		case line == "" || line[0] == '#':
		case include.MatchString(line):
			name := include.FindStringSubmatch(line)[1]
			if !strings.Contains(name, "://") {
				included = append(included, path.Join(dir, strings.Trim(name, `"'`)))
			} else {
				c.pinned = false
			}
		case editable.MatchString(line):
			c.pinned = false
			c.local = c.local || !strings.Contains(line, "+")
		case localPath.MatchString(line):
			c.pinned, c.local = false, true
		case pipOption.MatchString(line):
		case !exactly.MatchString(line):
			c.pinned = false
		}
	}
	return included
}

// key names the environment. Requirements that leave a version open get a new one every week, so that fixes of
// security holes arrive.
func (c contents) key(i Interpreter, r Requirements, tool string, now time.Time) string {
	sum := sha256.New()
	period := "pinned"
	if !c.pinned {
		year, week := now.UTC().ISOWeek()
		period = fmt.Sprintf("%d-W%02d", year, week)
	}
	_, _ = fmt.Fprintf(sum, "layout 1\n%s %s %s\n%s %s\n%x\n%s\n", i.Path, i.Version, i.Image, tool, period, c.hash, r.Pinned) // a hash never fails
	return hex.EncodeToString(sum.Sum(nil))[:32]
}
