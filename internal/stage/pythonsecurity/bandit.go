package pythonsecurity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
)

const toolBandit = "bandit"

// banditExcluded leaves out tests: they assert, and that is what they are for.
const banditExcluded = "*/.git/*,*/__pycache__/*,*/.tox/*,*/.nox/*,*/.eggs/*,*/.venv/*,*/venv/*,*/env/*,*/node_modules/*,*/tests/*,*/test/*,*/test_*.py,*/*_test.py,*/conftest.py"

func (c *check) bandit(ctx context.Context, r *result) error {
	r.tool = report.Tool{Name: toolBandit, Version: version(lintTools, toolBandit), URL: "https://bandit.readthedocs.io"}
	return c.s.Step(ctx, toolBandit, func(ctx context.Context) (string, error) {
		output := "bandit.json"
		args := []string{c.lint.Bin(toolBandit), "--recursive", ".", "--exit-zero", "--quiet", "--format=json", "--output=" + filepath.Join(c.s.Scratch(), output)}
		args = append(append(args, c.banditDefaults()...), c.settings.Bandit.Args...)
		exit, last, err := c.tool(ctx, c.lint, args)
		if err != nil {
			return "", err
		}
		if !exit.OK() {
			return "", broke(toolBandit, exit, last)
		}
		if err := c.readBandit(output, r); err != nil {
			return "", unreadable(toolBandit, err)
		}
		return report.Count(len(r.findings), "finding"), nil
	})
}

// banditDefaults take the repository's configuration where there is one; bandit finds .bandit by itself.
func (c *check) banditDefaults() []string {
	if text, err := pythonenv.ReadFile(c.s.Root(), ".bandit"); err != nil || text != "" {
		return nil
	}
	if text, err := pythonenv.ReadFile(c.s.Root(), "pyproject.toml"); err == nil && strings.Contains(text, "[tool.bandit]") {
		return []string{"--configfile=pyproject.toml"}
	}
	return []string{"--exclude=" + banditExcluded}
}

// banditReport is what counts of bandit's JSON (https://bandit.readthedocs.io/en/latest/formatters/json.html).
type banditReport struct {
	Errors []struct {
		Filename string `json:"filename"`
		Reason   string `json:"reason"`
	} `json:"errors"`
	Results []struct {
		Filename   string `json:"filename"`
		Line       int    `json:"line_number"`
		Lines      []int  `json:"line_range"`
		Confidence string `json:"issue_confidence"`
		Severity   string `json:"issue_severity"`
		Text       string `json:"issue_text"`
		MoreInfo   string `json:"more_info"`
		Test       string `json:"test_id"`
		Name       string `json:"test_name"`
	} `json:"results"`
}

func (c *check) readBandit(name string, r *result) (err error) {
	f, done, err := c.open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	var text banditReport
	if err := json.NewDecoder(f).Decode(&text); err != nil {
		return err
	}
	for _, found := range text.Results {
		severity := banditSeverity(found.Severity)
		finding := pipeline.Finding{
			Tool: toolBandit, Rule: found.Test, Path: path.Clean(found.Filename), Line: max(found.Line, 1), EndLine: max(found.Line, 1),
			Level: levelOf(severity), Severity: severity, Title: found.Test + " " + found.Name,
			Message: fmt.Sprintf("%s (confidence %s)", found.Text, strings.ToLower(found.Confidence)), URL: link(found.MoreInfo),
		}
		if n := len(found.Lines); n > 0 && found.Lines[n-1] > finding.Line {
			finding.EndLine = found.Lines[n-1]
		}
		r.findings = append(r.findings, finding)
	}
	var left []string
	for _, e := range text.Errors[:min(len(text.Errors), 10)] {
		left = append(left, path.Clean(e.Filename)+" ("+e.Reason+")")
	}
	if len(left) > 0 {
		r.note = "Left out: " + strings.Join(left, ", ") + "."
	}
	return nil
}

// banditSeverity: bandit's scale ends at high.
func banditSeverity(text string) pipeline.Severity {
	switch text {
	case "HIGH":
		return pipeline.SeverityHigh
	case "MEDIUM":
		return pipeline.SeverityMedium
	case "LOW":
		return pipeline.SeverityLow
	}
	return pipeline.SeverityNone
}

func levelOf(severity pipeline.Severity) pipeline.Level {
	if report.SeverityRank(severity) >= report.SeverityRank(pipeline.SeverityMedium) {
		return pipeline.LevelWarning
	}
	return pipeline.LevelNotice
}

// link keeps an address only when it is one a browser may follow.
func link(text string) string {
	if u, err := url.Parse(text); err != nil || u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return text
}
