package pythonsecurity

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

const toolSafety = "safety"

// Exit codes of safety (safety/constants.py) that are no crash.
const (
	safetyFound     = 64
	safetyBadKey    = 65
	safetyTooMany   = 66
	safetyNoLocalDB = 67
	safetyNoFetch   = 68
	safetyBadDB     = 69
)

// safetyKey and safetyDB are variables of safety: the key of an account, and a folder with a vulnerability database for
// machines that cannot reach safety's own.
const (
	safetyKey = "SAFETY_API_KEY"
	safetyDB  = "SAFETY_DB_DIR"
)

// dependencies audits what the requirements really install, with everything they pull in.
func (c *check) dependencies(ctx context.Context, r *result) error {
	r.tool = report.Tool{Name: toolSafety, Version: version(auditTools, toolSafety), URL: "https://docs.safetycli.com"}
	return c.s.Step(ctx, toolSafety, func(ctx context.Context) (string, error) {
		packages, requirements, err := c.installed(ctx)
		if err != nil {
			return "", err
		}
		if len(packages) == 0 {
			r.note = "There are no dependencies to audit: the repository has no requirements."
			return "no dependencies", nil
		}
		list := filepath.Join(c.s.Scratch(), "dependencies.txt")
		if err := os.WriteFile(list, []byte(strings.Join(packages, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // no secret; the sandbox's user reads it
			return "", fmt.Errorf("write the list of dependencies: %w", err)
		}
		if err := c.safety(ctx, list, r); err != nil {
			return "", err
		}
		if r.unknown {
			return "not audited", nil
		}
		c.placeDependencies(r, requirements)
		return fmt.Sprintf("%s, %s", report.Count(len(packages), "package"), vulnerabilities(len(r.findings))), nil
	})
}

func vulnerabilities(n int) string {
	if n == 1 {
		return "1 vulnerability"
	}
	return fmt.Sprintf("%d vulnerabilities", n)
}

const listScript = `from importlib.metadata import distributions
for d in distributions():
    print(d.metadata["Name"] + "==" + d.version)`

var pinnedPackage = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*==[\w.+!-]+$`)

// installed lists the packages of the project's environment: the same one its tests ran in, mostly from the cache.
func (c *check) installed(ctx context.Context) ([]string, pythonenv.Requirements, error) {
	requirements, err := pythonenv.Detect(c.s.Root(), nil)
	if err != nil || requirements.Empty() {
		return nil, requirements, err
	}
	secrets := slices.DeleteFunc(slices.Clone(c.s.Task().Stage.Secrets), func(name string) bool {
		_, set := c.s.Secret(name)
		return !set || name == safetyKey
	})
	env, err := c.builder(pythonenv.ProjectCache, secrets).Ensure(ctx, c.project, requirements)
	if err != nil {
		return nil, requirements, err
	}
	exit, err := c.s.Command(ctx, runner.Command{
		Args: []string{env.Bin("python"), "-I", "-c", listScript}, Env: env.Variables(), Image: env.Interpreter.Image, Capture: true, Quiet: true,
	})
	if err != nil {
		return nil, requirements, fmt.Errorf("list the installed packages: %w", err)
	}
	if !exit.OK() {
		return nil, requirements, broke("The listing of installed packages", exit, "")
	}
	var packages []string
	for line := range strings.Lines(string(exit.Stdout)) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, "==")
		// pip came with the environment, not with the project.
		if pinnedPackage.MatchString(line) && name != "pip" {
			packages = append(packages, line)
		}
	}
	slices.Sort(packages)
	return packages, requirements, nil
}

func (c *check) safety(ctx context.Context, list string, r *result) error {
	output := "safety.json"
	args := []string{c.audit.Bin(toolSafety), "--disable-optional-telemetry", "check", "--file=" + list, "--output=bare", "--save-json=" + filepath.Join(c.s.Scratch(), output)}
	if db := c.database(); db != "" {
		args = append(args, "--db="+db)
	}
	var key []string
	if _, set := c.s.Secret(safetyKey); set {
		key = append(key, safetyKey)
	}
	exit, last, err := c.tool(ctx, c.audit, append(args, c.settings.Dependencies.Args...), key...)
	if err != nil {
		return err
	}
	switch {
	case exit.OK() || exit.Code == safetyFound && exit.Signal == "":
		if err := c.readSafety(output, r); err != nil {
			return unreadable(toolSafety, err)
		}
		return nil
	case exit.Signal != "" || exit.OutOfMemory:
		return broke(toolSafety, exit, last)
	}
	r.unknown, r.note = true, "The dependencies were not audited: "+whyNot(exit, last)
	c.s.Log(r.note)
	return nil
}

func (c *check) database() string {
	task := c.s.Task()
	return cmp.Or(task.Stage.Env[safetyDB], task.Env[safetyDB])
}

func whyNot(exit runner.Exit, last string) string {
	switch exit.Code {
	case safetyNoFetch:
		return "safety's vulnerability database cannot be reached from here. Allow the runner to reach it, or give a copy in the folder " + safetyDB + "."
	case safetyBadKey:
		return "safety does not accept the key in " + safetyKey + "."
	case safetyTooMany:
		return "safety's vulnerability database refuses further questions for now."
	case safetyNoLocalDB:
		return "the folder of the vulnerability database holds none (insecure.json and insecure_full.json)."
	case safetyBadDB:
		return "the vulnerability database cannot be read."
	}
	return fmt.Sprintf("safety ended with exit code %d: %s", exit.Code, cmp.Or(last, "it said nothing"))
}

// safetyReport is what counts of safety's JSON.
type safetyReport struct {
	Vulnerabilities []struct {
		ID       string          `json:"vulnerability_id"`
		Package  string          `json:"package_name"`
		Version  string          `json:"analyzed_version"`
		Advisory string          `json:"advisory"`
		CVE      string          `json:"CVE"`
		Fixed    []string        `json:"fixed_versions"`
		Specs    []string        `json:"vulnerable_spec"`
		URL      string          `json:"more_info_url"`
		Severity json.RawMessage `json:"severity"`
	} `json:"vulnerabilities"`
}

func (c *check) readSafety(name string, r *result) (err error) {
	f, done, err := c.open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	var text safetyReport
	if err := json.NewDecoder(f).Decode(&text); err != nil {
		return err
	}
	for _, v := range text.Vulnerabilities {
		severity := safetySeverity(v.Severity)
		id := cmp.Or(v.CVE, v.ID, "vulnerability")
		message := strings.TrimSpace(v.Advisory)
		if len(v.Fixed) > 0 {
			message += " Fixed in " + strings.Join(v.Fixed, ", ") + "."
		} else if len(v.Specs) > 0 {
			message += " Affected: " + strings.Join(v.Specs, ", ") + "."
		}
		r.findings = append(r.findings, pipeline.Finding{
			Tool: toolSafety, Rule: id, Level: levelOf(severity), Severity: severity,
			Title: fmt.Sprintf("%s %s: %s", v.Package, v.Version, id), Message: strings.TrimSpace(message), URL: link(v.URL),
		})
	}
	return nil
}

// safetySeverity reads the CVSS score. Safety's free database holds none for many entries: a known vulnerability of
// unknown severity counts as high, so that it is looked at and does not stop everyone at once.
func safetySeverity(raw json.RawMessage) pipeline.Severity {
	var scored struct {
		V3 *struct {
			Score float64 `json:"base_score"`
		} `json:"cvssv3"`
		V2 *struct {
			Score float64 `json:"base_score"`
		} `json:"cvssv2"`
	}
	if err := json.Unmarshal(raw, &scored); err == nil {
		if scored.V3 != nil && scored.V3.Score > 0 {
			return report.SeverityOfScore(scored.V3.Score)
		}
		if scored.V2 != nil && scored.V2.Score > 0 {
			return report.SeverityOfScore(scored.V2.Score)
		}
	}
	return pipeline.SeverityHigh
}

// placeDependencies puts findings on the line of the requirement file that names the package; what another package pulls
// in has no line.
func (c *check) placeDependencies(r *result, requirements pythonenv.Requirements) {
	for i := range r.findings {
		name, _, _ := strings.Cut(r.findings[i].Title, " ")
		for _, file := range requirements.Files {
			if line := lineOf(c.s.Root(), file, name); line > 0 {
				r.findings[i].Path, r.findings[i].Line, r.findings[i].EndLine = file, line, line
				break
			}
		}
	}
}

var nameSeparators = regexp.MustCompile(`[-_.]+`)

func normal(name string) string { return strings.ToLower(nameSeparators.ReplaceAllString(name, "-")) }

func lineOf(root *os.Root, file, name string) int {
	text, err := pythonenv.ReadFile(root, file)
	if err != nil {
		return 0
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		end := strings.IndexAny(line, " \t[=<>!~;#@\r\n")
		if end < 0 {
			end = len(line)
		}
		if end > 0 && normal(line[:end]) == normal(name) {
			return n
		}
	}
	return 0
}
