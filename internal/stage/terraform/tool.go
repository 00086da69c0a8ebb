package terraform

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"

	"github.com/slipwayhq/slipway/internal/runner"
)

// Machine is where Terraform and OpenTofu are looked for.
type Machine struct {
	// Path are folders of programs.
	Path []string
	// Folders are patterns of programs elsewhere.
	Folders []string
}

// ThisMachine looks along PATH and where several versions lie beside each other.
func ThisMachine() Machine {
	return Machine{
		Path:    filepath.SplitList(os.Getenv("PATH")),
		Folders: []string{"/opt/terraform/*/terraform", "/opt/opentofu/*/tofu", "/opt/tofu/*/tofu"},
	}
}

// Tool is one program.
type Tool struct {
	Path string
	// Name is Terraform or OpenTofu.
	Name    string
	Version *version.Version
}

// program is what people type.
func (t Tool) program() string {
	if t.Name == nameTofu {
		return "tofu"
	}
	return "terraform"
}

func (t Tool) String() string { return t.Name + " " + t.Version.String() }

// jsonInit is since when init tells what it does as JSON, which both took up at their version 1.9.
var jsonInit = version.Must(version.NewVersion("1.9.0")) //nolint:gochecknoglobals // a constant; Go has no constants of this type

const (
	nameTerraform = "Terraform"
	nameTofu      = "OpenTofu"
)

// programName is terraform, tofu, terraform-1.9, terraform_1.9.8, …
var programName = regexp.MustCompile(`^(terraform|tofu|opentofu)([-_.]?v?\d[\w.-]*)?$`)

// programs are candidates, in the order in which they are asked.
func (m Machine) programs() []string {
	var found []string
	add := func(file string) {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !slices.Contains(found, file) {
			found = append(found, file)
		}
	}
	for _, dir := range m.Path {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // a PATH may name folders that do not exist
		}
		for _, entry := range entries {
			if programName.MatchString(entry.Name()) {
				add(filepath.Join(dir, entry.Name()))
			}
		}
	}
	for _, pattern := range m.Folders {
		files, err := filepath.Glob(pattern)
		if err != nil {
			continue // only a malformed pattern, and these are constant
		}
		slices.Reverse(files) // the newest of several comes last
		for _, file := range files {
			add(file)
		}
	}
	return found
}

// findTool finds the first program that fits what the configuration asks for, OpenTofu first where it is written for it.
func (a *attempt) findTool(ctx context.Context) error {
	wanted, err := a.wanted()
	if err != nil {
		return err
	}
	candidates := a.options.Machine.programs()
	if a.s.Task().Stage.Image != "" {
		candidates = []string{"terraform", "tofu"}
	}
	ofTofu := func(file string) bool { return strings.Contains(filepath.Base(file), "tofu") }
	slices.SortStableFunc(candidates, func(x, y string) int {
		switch {
		case ofTofu(x) == ofTofu(y):
			return 0
		case ofTofu(x) == a.config.tofu:
			return -1
		default:
			return 1
		}
	})
	var there []Tool
	for _, file := range candidates {
		tool, ok, err := a.askVersion(ctx, file)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if wanted.allows(tool) {
			a.tool = tool
			return nil
		}
		there = append(there, tool)
	}
	return wanted.missing(there, a.s.Task().Stage.Image)
}

var versionLine = regexp.MustCompile(`(?m)^(Terraform|OpenTofu) v(\S+)`)

// askVersion asks a program what it is; ok is false for one that is something else, or broken.
func (a *attempt) askVersion(ctx context.Context, file string) (tool Tool, ok bool, err error) {
	var said bytes.Buffer
	exit, err := a.s.Command(ctx, runner.Command{
		Args: []string{file, "version"}, Dir: a.settings.Dir, Env: quietEnvironment(), Stdout: &bounded{to: &said, left: maxSmall}, Image: a.s.Task().Stage.Image,
	})
	if err != nil {
		if a.s.Task().Stage.Image != "" && ctx.Err() == nil {
			return Tool{}, false, nil // the image may have the other one; the engine's own lines are in the log
		}
		return Tool{}, false, fmt.Errorf("ask %s for its version: %w", file, err)
	}
	m := versionLine.FindStringSubmatch(said.String())
	if !exit.OK() || m == nil {
		return Tool{}, false, nil
	}
	v, err := version.NewVersion(m[2])
	if err != nil {
		return Tool{}, false, nil //nolint:nilerr // a version that cannot be compared is none we can choose
	}
	return Tool{Path: file, Name: m[1], Version: v}, true, nil
}

// wanted is what the configuration asks for.
type wanted struct {
	constraints []version.Constraints
	// pins are exact versions by the name of the program.
	pins map[string]requirement
	text []string
}

// wanted reads required_version, and the files of version managers.
func (a *attempt) wanted() (wanted, error) {
	w := wanted{pins: map[string]requirement{}}
	for _, r := range a.config.required {
		constraint, err := version.NewConstraint(r.constraint)
		if err != nil {
			return w, fail("required_version cannot be read", "%s asks for the version %q, which is no constraint such as \">= 1.9\".", r.place, r.constraint)
		}
		w.constraints = append(w.constraints, constraint)
		w.text = append(w.text, fmt.Sprintf("required_version %q in %s", r.constraint, r.place))
	}
	for file, name := range map[string]string{".terraform-version": nameTerraform, ".opentofu-version": nameTofu} {
		for _, dir := range []string{a.settings.Dir, "."} {
			at := path.Join(dir, file)
			text, err := readFile(a.s.Root(), at, maxSmall)
			if err != nil {
				continue // most have none
			}
			if v, err := version.NewVersion(strings.TrimSpace(string(text))); err == nil {
				w.pins[name] = requirement{v.String(), at}
				break
			}
		}
	}
	return w, nil
}

func (w wanted) allows(t Tool) bool {
	if len(w.pins) > 0 {
		pin, ok := w.pins[t.Name]
		if !ok || pin.constraint != t.Version.String() {
			return false
		}
	}
	for _, c := range w.constraints {
		// A version before a release fits what asks for the release: Terraform's own rule is stricter only for ranges.
		if !c.Check(t.Version) && !c.Check(t.Version.Core()) {
			return false
		}
	}
	return true
}

func (w wanted) missing(there []Tool, image string) error {
	where := "this machine"
	if image != "" {
		where = "the image " + image
	}
	has := "neither Terraform nor OpenTofu"
	if len(there) > 0 {
		names := make([]string, 0, len(there))
		for _, tool := range there {
			names = append(names, fmt.Sprintf("%s (%s)", tool, tool.Path))
		}
		has = strings.Join(names, ", ")
	}
	asked := slices.Clone(w.text)
	for name, pin := range w.pins {
		asked = append(asked, fmt.Sprintf("%s %s in %s", name, pin.constraint, pin.place))
	}
	slices.Sort(asked)
	if len(asked) == 0 {
		return fail("Terraform is not installed", "The stage needs Terraform or OpenTofu, and %s has %s.", where, has)
	}
	return fail("No fitting Terraform is installed", "%s asks for another version: %s has %s.", strings.Join(asked, " and "), where, has)
}
