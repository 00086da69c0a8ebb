package terraform

import (
	"bytes"
	"encoding/json"
	"path"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

const (
	// maxLine bounds a line of JSON; a larger one is an output's value, which nobody reads here.
	maxLine        = 1 << 20
	maxDiagnostics = 500
)

// event is one line of what Terraform says with -json.
type event struct {
	Level      string      `json:"@level"`
	Message    string      `json:"@message"`
	Type       string      `json:"type"`
	Diagnostic *diagnostic `json:"diagnostic"`
	Change     *change     `json:"change"`
	Hook       *hook       `json:"hook"`
	Changes    *struct {
		Add, Change, Import, Remove int
		Operation                   string
	} `json:"changes"`
}

type change struct {
	Resource resource `json:"resource"`
	Action   string   `json:"action"`
}

type hook struct {
	Resource resource `json:"resource"`
	Action   string   `json:"action"`
	Elapsed  float64  `json:"elapsed_seconds"`
}

type resource struct {
	Address string `json:"addr"`
}

// diagnostic is what Terraform has to object.
type diagnostic struct {
	Severity string        `json:"severity"`
	Summary  string        `json:"summary"`
	Detail   string        `json:"detail"`
	Address  string        `json:"address"`
	Range    *tfjson.Range `json:"range"`
}

func (d diagnostic) isError() bool { return d.Severity == "error" }

// events cuts the stream into lines, logs what people can read, and passes on the rest.
type events struct {
	s    runner.Session
	each func(event)
	line bytes.Buffer
	// dropping: the line is too long, what is left of it is let go.
	dropping    bool
	diagnostics []diagnostic
}

func newEvents(s runner.Session, each func(event)) *events { return &events{s: s, each: each} }

// Write implements io.Writer.
func (e *events) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		at := bytes.IndexByte(p, '\n')
		part := p
		if at >= 0 {
			part = p[:at]
		}
		if !e.dropping && e.line.Len()+len(part) > maxLine {
			e.dropping = true
			e.line.Reset()
			e.s.Log("A line of Terraform's was longer than 1 MiB and is left out.")
		}
		if !e.dropping {
			e.line.Write(part)
		}
		if at < 0 {
			break
		}
		e.end()
		p = p[at+1:]
	}
	return n, nil
}

func (e *events) close() {
	if e.line.Len() > 0 {
		e.end()
	}
}

// end takes the line that is complete.
func (e *events) end() {
	line := bytes.TrimSpace(e.line.Bytes())
	defer e.line.Reset()
	if e.dropping = false; len(line) == 0 {
		return
	}
	var said event
	if json.Unmarshal(line, &said) != nil || said.Message == "" && said.Diagnostic == nil {
		e.s.Log(string(line))
		return
	}
	if said.Diagnostic != nil {
		e.s.Log(said.Diagnostic.text())
		if len(e.diagnostics) < maxDiagnostics {
			e.diagnostics = append(e.diagnostics, *said.Diagnostic)
		}
	} else if said.Type != "version" {
		e.s.Log(strings.TrimSpace(said.Message))
	}
	if e.each != nil {
		e.each(said)
	}
}

// text is a diagnostic as people read it.
func (d diagnostic) text() string {
	var text strings.Builder
	title := "Warning: "
	if d.isError() {
		title = "Error: "
	}
	text.WriteString(title + strings.TrimSpace(d.Summary))
	if d.Range != nil {
		text.WriteString("\n  on " + where(d.Range))
	}
	if d.Address != "" {
		text.WriteString("\n  with " + d.Address)
	}
	if detail := strings.TrimSpace(d.Detail); detail != "" {
		text.WriteString("\n\n" + detail)
	}
	return text.String()
}

func where(r *tfjson.Range) string { return placeOf(r.Filename, r.Start.Line) }

// location is the place of a diagnostic in the checkout; empty: it lies elsewhere, as a module that was fetched does.
func (a *attempt) location(d diagnostic) (file string, line, end int) {
	if d.Range == nil {
		return "", 0, 0
	}
	file = path.Join(a.settings.Dir, d.Range.Filename)
	if path.IsAbs(d.Range.Filename) || file == ".." || strings.HasPrefix(file, "../") || strings.Contains(file, ".terraform/") ||
		path.Base(file) == override {
		return "", 0, 0
	}
	if info, err := a.s.Root().Stat(file); err != nil || !info.Mode().IsRegular() {
		return "", 0, 0
	}
	line = max(d.Range.Start.Line, 1)
	return file, line, max(d.Range.End.Line, line)
}

// annotate makes findings of diagnostics.
func (a *attempt) annotate(diagnostics []diagnostic) {
	for _, d := range diagnostics {
		file, line, end := a.location(d)
		if file == "" {
			continue // its text is in the log, and the first one is the cause
		}
		level := pipeline.LevelWarning
		if d.isError() {
			level = pipeline.LevelFailure
		}
		a.s.Finding(pipeline.Finding{
			Tool: a.tool.program(), Rule: oneLine(d.Summary), Path: file, Line: line, EndLine: end, Column: max(d.Range.Start.Column, 0),
			Level: level, Title: oneLine(d.Summary), Message: first(strings.TrimSpace(d.Detail), oneLine(d.Summary)),
		})
	}
}
