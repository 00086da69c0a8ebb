package terraform

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

const (
	maxLooked    = 200_000
	maxCommitted = 50
	// maxCommittedBytes bounds one committed state.
	maxCommittedBytes = 32 << 20
)

// findCommitted reports states, plans and working folders of Terraform that are part of the commit: they belong neither
// there nor, with the secrets they hold, anywhere else that many can read.
func (a *attempt) findCommitted() {
	looked, found := 0, 0
	// WalkDir enters no link. What cannot be read here is no state that could be read elsewhere.
	err := fs.WalkDir(a.s.Root().FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if looked++; looked > maxLooked || found == maxCommitted {
			return fs.SkipAll
		}
		if err != nil {
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "node_modules":
				return fs.SkipDir
			case ".terraform":
				found++
				a.s.Finding(committedFolder(name))
				return fs.SkipDir
			}
			return nil
		}
		if finding, ok := a.committed(name); ok {
			found++
			a.s.Finding(finding)
			a.s.Log(finding.Path + ": " + finding.Message)
		}
		return nil
	})
	if err != nil {
		a.s.Log("Committed states and plans are not all looked for: " + err.Error())
	}
}

func committedFolder(name string) pipeline.Finding {
	return pipeline.Finding{
		Tool: "slipway", Rule: "terraform-folder", Path: name, Level: pipeline.LevelWarning, Title: "A working folder of Terraform is committed",
		Message: "The folder " + name + " is made by `terraform init` anew for each run. It is ignored here: take it out of the repository and add .terraform/ to .gitignore.",
	}
}

var (
	stateName = regexp.MustCompile(`\.tfstate(\.\d+)?(\.backup)?$`)
	planName  = regexp.MustCompile(`(?i)(\.tfplan|\.plan|^tfplan|^plan\.out|^plan\.bin|^terraform\.plan)$`)
)

// committed looks at one file by its name, and into it where that suggests something.
func (a *attempt) committed(name string) (pipeline.Finding, bool) {
	base := path.Base(name)
	switch {
	case stateName.MatchString(base):
		return a.committedState(name), true
	case planName.MatchString(base):
		return a.committedPlan(name)
	default:
		return pipeline.Finding{}, false
	}
}

func (a *attempt) committedState(name string) pipeline.Finding {
	finding := pipeline.Finding{
		Tool: "slipway", Rule: "terraform-state", Path: name, Line: 1, EndLine: 1, Level: pipeline.LevelWarning, Severity: pipeline.SeverityMedium,
		Title:   "A state of Terraform is committed",
		Message: "A state belongs in a backend, not in the repository: two copies go apart, and it holds what providers know, passwords included. Take it out, also of the history, and add *.tfstate* to .gitignore.",
	}
	text, err := readFile(a.s.Root(), name, maxCommittedBytes)
	if err != nil {
		return finding // its name alone is reason enough
	}
	if secrets := secretsOf(text); len(secrets) > 0 {
		finding.Level, finding.Severity = pipeline.LevelFailure, pipeline.SeverityCritical
		finding.Title = "A state of Terraform with secrets is committed"
		finding.Message = fmt.Sprintf("This state holds %s in plain text: %s. Change them now, for the history keeps them; then take the file out and add *.tfstate* to .gitignore.",
			report.Count(len(secrets), "secret"), listed(secrets))
	}
	return finding
}

func (a *attempt) committedPlan(name string) (pipeline.Finding, bool) {
	text, err := readFile(a.s.Root(), name, maxCommittedBytes)
	if err != nil {
		return pipeline.Finding{}, false
	}
	archive, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil || !slices.ContainsFunc(archive.File, func(f *zip.File) bool { return f.Name == "tfplan" }) {
		return pipeline.Finding{}, false
	}
	finding := pipeline.Finding{
		Tool: "slipway", Rule: "terraform-plan", Path: name, Level: pipeline.LevelWarning, Severity: pipeline.SeverityHigh,
		Title:   "A saved plan of Terraform is committed",
		Message: "A saved plan holds the state and every value of the plan in plain text. Take it out, also of the history, and add *.tfplan to .gitignore.",
	}
	for _, file := range archive.File {
		if file.Name != "tfstate" || file.UncompressedSize64 > maxCommittedBytes {
			continue
		}
		if secrets := secretsOf(unpacked(file)); len(secrets) > 0 {
			finding.Level, finding.Severity = pipeline.LevelFailure, pipeline.SeverityCritical
			finding.Title = "A saved plan of Terraform with secrets is committed"
			finding.Message = fmt.Sprintf("The state within this plan holds %s in plain text: %s. Change them now, for the history keeps them; then take the file out.",
				report.Count(len(secrets), "secret"), listed(secrets))
		}
	}
	return finding, true
}

func unpacked(file *zip.File) []byte {
	reader, err := file.Open()
	if err != nil {
		return nil
	}
	defer reader.Close() //nolint:errcheck // opened for reading
	var text bytes.Buffer
	if _, err := text.ReadFrom(io.LimitReader(reader, maxCommittedBytes)); err != nil {
		return nil
	}
	return text.Bytes()
}

// secretName are attributes that hold what nobody should read.
var secretName = regexp.MustCompile(`(?i)(password|passwd|secret|private_key|access_key|token|connection_string|credential)`)

// secretsOf names the outputs and attributes of a state that hold secrets; it tells no value.
func secretsOf(text []byte) []string { //nolint:gocognit // one walk through one form of a file
	var state struct {
		Outputs map[string]struct {
			Sensitive bool `json:"sensitive"`
			Value     any  `json:"value"`
		} `json:"outputs"`
		Resources []struct {
			Module, Mode, Type, Name string
			Instances                []struct {
				Attributes map[string]any    `json:"attributes"`
				Sensitive  []json.RawMessage `json:"sensitive_attributes"`
			}
		} `json:"resources"`
	}
	if json.Unmarshal(text, &state) != nil {
		return nil
	}
	var found []string
	for _, name := range sortedKeys(state.Outputs) {
		if o := state.Outputs[name]; o.Sensitive && o.Value != nil {
			found = append(found, "output "+name)
		}
	}
	for _, r := range state.Resources {
		address := strings.TrimPrefix(r.Module+"."+r.Type+"."+r.Name, ".")
		for _, instance := range r.Instances {
			names := make(map[string]bool)
			for name, value := range instance.Attributes {
				if text, ok := value.(string); ok && text != "" && secretName.MatchString(name) && !strings.HasSuffix(name, "_id") && !strings.HasSuffix(name, "_arn") {
					names[name] = true
				}
			}
			for _, marked := range instance.Sensitive {
				if name := markedAttribute(marked); name != "" && instance.Attributes[name] != nil {
					names[name] = true
				}
			}
			for _, name := range sortedKeys(names) {
				if entry := address + "." + name; !slices.Contains(found, entry) {
					found = append(found, entry)
				}
			}
		}
	}
	return found
}

// markedAttribute is the first step of a path as a state writes it: [{"type":"get_attr","value":"password"}].
func markedAttribute(text json.RawMessage) string {
	var steps []struct {
		Value any `json:"value"`
	}
	if json.Unmarshal(text, &steps) != nil || len(steps) == 0 {
		return ""
	}
	name, _ := steps[0].Value.(string)
	return name
}

// refuseCommittedState: without a backend the committed state would be the one to go on from, and ours, which begins empty,
// would have everything made a second time.
func (a *attempt) refuseCommittedState() error {
	if a.backend.kind != backendLocal {
		return nil
	}
	name := a.inDir("terraform.tfstate")
	if _, err := a.s.Root().Lstat(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("look for %s: %w", name, err)
	}
	return fail("The state is committed, and there is no backend",
		"%s is part of the commit, and the configuration names no backend: what an apply changes could not be written back. Declare a backend, move the state with `terraform init -migrate-state`, and take the file out of the repository.", name)
}
