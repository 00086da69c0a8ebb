package report

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Tool names the program that found something.
type Tool struct{ Name, Version, URL string }

// WriteSARIF writes findings as a SARIF 2.1.0 log that GitHub's code scanning accepts.
func WriteSARIF(w io.Writer, tool Tool, findings []pipeline.Finding) error {
	var run sarifRun
	run.Tool.Driver = sarifComponent{Name: tool.Name, Version: tool.Version, InformationURI: tool.URL}
	run.Results = []sarifResult{}
	index := map[string]int{}
	for _, f := range findings {
		if _, known := index[f.Rule]; !known {
			index[f.Rule] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(f))
		}
		run.Results = append(run.Results, sarifResultOf(f, index[f.Rule]))
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
	if err := encoder.Encode(log); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	return nil
}

func sarifRuleOf(f pipeline.Finding) sarifRule {
	rule := sarifRule{ID: f.Rule, HelpURI: f.URL}
	if f.Title != "" {
		rule.ShortDescription = &sarifText{Text: f.Title}
	}
	return rule
}

func sarifResultOf(f pipeline.Finding, rule int) sarifResult {
	result := sarifResult{RuleID: f.Rule, RuleIndex: &rule, Message: sarifText{Text: f.Message}}
	result.Level = map[pipeline.Level]string{
		pipeline.LevelFailure: "error", pipeline.LevelWarning: "warning", pipeline.LevelNotice: "note",
	}[f.Level]
	if score := scores[f.Severity]; score != "" {
		result.Properties.SecuritySeverity = json.RawMessage(`"` + score + `"`)
	}
	if f.Path == "" {
		return result
	}
	var place sarifPlace
	place.Physical.Artifact = sarifLocation{URI: (&url.URL{Path: f.Path}).EscapedPath()}
	if f.Line > 0 {
		place.Physical.Region = &sarifRegion{StartLine: f.Line, StartColumn: f.Column, EndLine: f.EndLine}
	}
	result.Locations = []sarifPlace{place}
	return result
}

// scores are the middles of GitHub's bands: reading them back gives the same severity.
var scores = map[pipeline.Severity]string{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	pipeline.SeverityCritical: "9.5", pipeline.SeverityHigh: "8.0", pipeline.SeverityMedium: "5.5", pipeline.SeverityLow: "2.0",
}
