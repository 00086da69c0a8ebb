package terraform

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

const (
	maxDiff        = 8 << 20
	maxFormat      = 100
	exitUnformated = 3
)

// checkFormat remarks where `terraform fmt` would write the files differently. That is no failure: it breaks nothing, and
// it must not keep a repair out.
func (a *attempt) checkFormat(ctx context.Context) error {
	return a.s.Step(ctx, "Check the format", func(ctx context.Context) (string, error) {
		var diff bytes.Buffer
		exit, err := a.run(ctx, command{args: []string{"fmt", "-check", "-diff", "-recursive", "-no-color"}, stdout: &bounded{to: &diff, left: maxDiff}})
		if err != nil {
			return "", err
		}
		if exit.OK() {
			return "", nil
		}
		findings := a.formatFindings(diff.Bytes())
		for _, finding := range findings {
			a.s.Finding(finding)
		}
		if exit.Code != exitUnformated && len(findings) == 0 {
			return "files that cannot be read", nil // a mistake in them, which init explains with its place
		}
		a.s.Log(fmt.Sprintf("%s would write %s differently: run `%s fmt -recursive %s`.", a.tool.program()+" fmt", report.Count(len(findings), "place"), a.tool.program(), a.settings.Dir))
		return report.Count(len(findings), "remark"), nil
	})
}

var hunk = regexp.MustCompile(`^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@`)

// formatFindings reads the unified diffs of `fmt -diff`: a remark for each run of lines that would change.
func (a *attempt) formatFindings(diff []byte) []pipeline.Finding {
	var findings []pipeline.Finding
	file, line, begun := "", 0, 0
	flush := func() {
		if begun > 0 && file != "" && len(findings) < maxFormat {
			findings = append(findings, a.formatFinding(file, begun, line-1))
		}
		begun = 0
	}
	lines := bufio.NewScanner(bytes.NewReader(diff))
	lines.Buffer(nil, maxDiff)
	for lines.Scan() {
		text := lines.Text()
		switch {
		case strings.HasPrefix(text, "--- old/"):
			flush()
			file, line = strings.TrimPrefix(text, "--- old/"), 0
		case strings.HasPrefix(text, "+++ "):
		case hunk.MatchString(text):
			flush()
			line, _ = strconv.Atoi(hunk.FindStringSubmatch(text)[1]) // digits
		case line == 0: // between the files
		case strings.HasPrefix(text, "-"):
			if begun == 0 {
				begun = line
			}
			line++
		case strings.HasPrefix(text, "+"):
		default:
			flush()
			line++
		}
	}
	flush()
	return findings
}

func (a *attempt) formatFinding(file string, from, to int) pipeline.Finding {
	return pipeline.Finding{
		Tool: a.tool.program() + " fmt", Rule: "format", Path: a.inDir(file), Line: from, EndLine: max(from, to), Level: pipeline.LevelNotice,
		Title: "Not formatted", Message: fmt.Sprintf("`%s fmt` would write this differently.", a.tool.program()),
	}
}

// validate asks Terraform whether the configuration makes sense by itself.
func (a *attempt) validate(ctx context.Context) error {
	return a.s.Step(ctx, "Validate", func(ctx context.Context) (string, error) {
		var said bytes.Buffer
		exit, err := a.run(ctx, command{args: []string{"validate", "-json", "-no-color"}, stdout: &bounded{to: &said, left: maxDiff}})
		if err != nil {
			return "", err
		}
		return a.validated(said.Bytes(), exit)
	})
}

func (a *attempt) validated(said []byte, exit runner.Exit) (string, error) {
	var answer struct {
		Valid       bool         `json:"valid"`
		Diagnostics []diagnostic `json:"diagnostics"`
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		a.s.Log(clip(string(said), maxSmall))
		return "", a.broken("terraform validate", exit)
	}
	for _, d := range answer.Diagnostics {
		a.s.Log(d.text())
	}
	if !answer.Valid || !exit.OK() {
		a.diagnostics = append(a.diagnostics, answer.Diagnostics...)
		return "", a.broken("terraform validate", exit)
	}
	a.annotate(answer.Diagnostics)
	if n := len(answer.Diagnostics); n > 0 {
		return report.Count(n, "warning"), nil
	}
	return "", nil
}
