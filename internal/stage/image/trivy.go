package image

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

const toolTrivy = "trivy"

// trivyReport is what counts of Trivy's JSON.
type trivyReport struct {
	Metadata struct {
		OS *struct {
			Family, Name string
			EOSL         bool
		}
	}
	Results []struct {
		Target            string
		Class             string
		Vulnerabilities   []vulnerability
		Secrets           []leak
		Misconfigurations []misconfiguration
		Modified          []json.RawMessage `json:"ExperimentalModifiedFindings"`
	}
}

type vulnerability struct {
	ID        string `json:"VulnerabilityID"`
	Package   string `json:"PkgName"`
	Installed string `json:"InstalledVersion"`
	Fixed     string `json:"FixedVersion"`
	Status    string
	Severity  string
	Title     string
	URL       string `json:"PrimaryURL"`
}

type leak struct {
	RuleID, Category, Severity, Title string
	StartLine, EndLine                int
	Layer                             struct{ CreatedBy string }
}

type misconfiguration struct {
	ID, Title, Message, Resolution, Severity string
	URL                                      string                           `json:"PrimaryURL"`
	Cause                                    struct{ StartLine, EndLine int } `json:"CauseMetadata"`
}

// maxReport bounds a report of Trivy; one of an image with thousands of packages has some ten megabytes.
const maxReport = 256 << 20

func readReport(root *os.Root, name string) (r trivyReport, err error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := json.NewDecoder(io.LimitReader(f, maxReport)).Decode(&r); err != nil {
		return r, fmt.Errorf("read Trivy's report: %w", err)
	}
	return r, nil
}

// severityOf reads Trivy's word. What is known and of unknown severity counts as high: it is looked at, and stops nobody
// by itself.
func severityOf(word string) pipeline.Severity {
	if severity := pipeline.Severity(strings.ToLower(word)); slices.Contains(severities, severity) {
		return severity
	}
	return pipeline.SeverityHigh
}

// levelOf is how loud a finding is that does not fail the stage.
func levelOf(severity pipeline.Severity) pipeline.Level {
	if report.SeverityRank(severity) >= report.SeverityRank(pipeline.SeverityHigh) {
		return pipeline.LevelWarning
	}
	return pipeline.LevelNotice
}

// vulnerabilities of all results, the worst first, each package's once however many files or platforms hold it.
func (r trivyReport) vulnerabilities() []vulnerability {
	var all []vulnerability
	for _, result := range r.Results {
		all = append(all, result.Vulnerabilities...)
	}
	return sorted(all)
}

func sorted(all []vulnerability) []vulnerability {
	slices.SortStableFunc(all, func(a, b vulnerability) int {
		return cmp.Or(report.SeverityRank(severityOf(b.Severity))-report.SeverityRank(severityOf(a.Severity)),
			cmp.Compare(a.Package, b.Package), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Installed, b.Installed))
	})
	return slices.CompactFunc(all, func(a, b vulnerability) bool { return a.name() == b.name() })
}

// name tells one vulnerability of an image from another.
func (v vulnerability) name() string { return v.ID + " " + v.Package + " " + v.Installed }

func (v vulnerability) finding() pipeline.Finding {
	severity := severityOf(v.Severity)
	message := cmp.Or(v.Title, v.ID)
	if v.Fixed != "" {
		message += ". Fixed in " + v.Fixed + "."
	} else {
		message += ". There is no fixed version."
	}
	return pipeline.Finding{
		Tool: toolTrivy, Rule: v.ID, Level: levelOf(severity), Severity: severity,
		Title: fmt.Sprintf("%s %s: %s", v.Package, v.Installed, v.ID), Message: message, URL: link(v.URL),
	}
}

// secrets are what looks like a password or key in the files of the image, on the line that put it there.
func (r trivyReport) secrets(d dockerfile, file string) []pipeline.Finding {
	var all []pipeline.Finding
	for _, result := range r.Results {
		for _, s := range result.Secrets {
			severity := severityOf(s.Severity)
			f := pipeline.Finding{
				Tool: toolTrivy, Rule: s.RuleID, Level: levelOf(severity), Severity: severity, Title: "A secret in the image: " + s.Title,
				Message: fmt.Sprintf("%s holds what looks like a secret (%s) in line %d. Everybody who can pull the image can read it.", result.Target, s.Category, s.StartLine),
			}
			if f.Line, f.EndLine = d.lineOf(s.Layer.CreatedBy); f.Line > 0 {
				f.Path = file
			}
			all = append(all, f)
		}
	}
	return all
}

// remarks are what is wrong with the Dockerfile itself. What it lacks is on the line that its last stage begins with.
func (r trivyReport) remarks(d dockerfile, file string) []pipeline.Finding {
	var all []pipeline.Finding
	for _, result := range r.Results {
		for _, m := range result.Misconfigurations {
			severity := severityOf(m.Severity)
			if m.Cause.StartLine == 0 {
				m.Cause.StartLine, m.Cause.EndLine = d.from, d.from
			}
			all = append(all, pipeline.Finding{
				Tool: toolTrivy, Rule: m.ID, Path: file, Line: m.Cause.StartLine, EndLine: m.Cause.EndLine, Level: levelOf(severity), Severity: severity,
				Title: m.Title, Message: strings.TrimSpace(sentence(m.Message) + " " + sentence(m.Resolution)), URL: link(m.URL),
			})
		}
		for _, s := range result.Secrets {
			severity := severityOf(s.Severity)
			all = append(all, pipeline.Finding{
				Tool: toolTrivy, Rule: s.RuleID, Path: file, Line: s.StartLine, EndLine: s.EndLine, Level: levelOf(severity), Severity: severity,
				Title: "A secret in the Dockerfile: " + s.Title, Message: fmt.Sprintf("The line holds what looks like a secret (%s). It is in the history of the repository and of every image.", s.Category),
			})
		}
	}
	return all
}

// ignored counts what .trivyignore left out.
func (r trivyReport) ignored() int {
	n := 0
	for _, result := range r.Results {
		n += len(result.Modified)
	}
	return n
}

// link keeps only what a browser may follow.
func link(text string) string {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return ""
	}
	return parsed.String()
}
