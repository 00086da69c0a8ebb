package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// ReadSARIF reads a SARIF 2.1.0 log into findings, at most as many as a stage may keep; dropped counts the rest. dir is
// the checkout's absolute path, taken off file URIs.
func ReadSARIF(r io.Reader, dir string) (findings []pipeline.Finding, dropped int, err error) {
	var log sarifLog
	decoder := json.NewDecoder(limit(r))
	if err := decoder.Decode(&log); err != nil {
		return nil, 0, fmt.Errorf("SARIF report: %w", plainJSONError(err))
	}
	if log.Version != "2.1.0" {
		return nil, 0, fmt.Errorf("SARIF report: version %q is not 2.1.0", clip(log.Version, 40))
	}
	for _, run := range log.Runs {
		rules := run.rules()
		for _, result := range run.Results {
			if result.suppressed() {
				continue
			}
			if len(findings) == pipeline.MaxFindings {
				dropped++
				continue
			}
			findings = append(findings, run.finding(result, rules, dir))
		}
	}
	return findings, dropped, nil
}

func plainJSONError(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends in the middle")
	}
	return err
}

type sarifLog struct {
	Schema  string     `json:"$schema,omitempty"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver     sarifComponent   `json:"driver"`
		Extensions []sarifComponent `json:"extensions,omitempty"`
	} `json:"tool"`
	OriginalURIBaseIDs map[string]sarifLocation `json:"originalUriBaseIds,omitempty"`
	Results            []sarifResult            `json:"results"`
}

type sarifComponent struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri,omitempty"`
	Rules          []sarifRule `json:"rules,omitempty"`
}

type sarifRule struct {
	ID               string           `json:"id"`
	Name             string           `json:"name,omitempty"`
	ShortDescription *sarifText       `json:"shortDescription,omitempty"`
	HelpURI          string           `json:"helpUri,omitempty"`
	Configuration    *sarifRuleConfig `json:"defaultConfiguration,omitempty"`
	Properties       sarifProperties  `json:"properties,omitzero"`
}

type sarifRuleConfig struct {
	Level string `json:"level,omitempty"`
}

type sarifText struct {
	Text string `json:"text,omitempty"`
}

// sarifProperties is the bag GitHub reads: the CVSS score of a security rule, as text or as a number.
type sarifProperties struct {
	SecuritySeverity json.RawMessage `json:"security-severity,omitempty"`
}

type sarifResult struct {
	RuleID    string `json:"ruleId,omitempty"`
	RuleIndex *int   `json:"ruleIndex,omitempty"`
	Rule      *struct {
		ID string `json:"id,omitempty"`
	} `json:"rule,omitempty"`
	Kind         string            `json:"kind,omitempty"`
	Level        string            `json:"level,omitempty"`
	Message      sarifText         `json:"message"`
	Locations    []sarifPlace      `json:"locations,omitempty"`
	Suppressions []json.RawMessage `json:"suppressions,omitempty"`
	Properties   sarifProperties   `json:"properties,omitzero"`
}

type sarifPlace struct {
	Physical struct {
		Artifact sarifLocation `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	} `json:"physicalLocation"`
}

type sarifLocation struct {
	URI       string `json:"uri,omitempty"`
	URIBaseID string `json:"uriBaseId,omitempty"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine,omitempty"`
	StartColumn int `json:"startColumn,omitempty"`
	EndLine     int `json:"endLine,omitempty"`
}

func (r sarifRun) rules() map[string]sarifRule {
	rules := map[string]sarifRule{}
	for _, component := range append([]sarifComponent{r.Tool.Driver}, r.Tool.Extensions...) {
		for _, rule := range component.Rules {
			rules[rule.ID] = rule
		}
	}
	return rules
}

// suppressed results were looked at and accepted; results that are no problems have another kind than "fail".
func (r sarifResult) suppressed() bool {
	return len(r.Suppressions) > 0 || r.Kind != "" && r.Kind != "fail" && r.Kind != "open" && r.Kind != "review"
}

func (r sarifRun) ruleOf(result sarifResult, rules map[string]sarifRule) (string, sarifRule) {
	id := result.RuleID
	if id == "" && result.Rule != nil {
		id = result.Rule.ID
	}
	if id == "" && result.RuleIndex != nil && *result.RuleIndex >= 0 && *result.RuleIndex < len(r.Tool.Driver.Rules) {
		id = r.Tool.Driver.Rules[*result.RuleIndex].ID
	}
	if rule, ok := rules[id]; ok {
		return id, rule
	}
	// "CA1000/1" is a sub-rule of "CA1000".
	parent, _, _ := strings.Cut(id, "/")
	return id, rules[parent]
}

func (r sarifRun) finding(result sarifResult, rules map[string]sarifRule, dir string) pipeline.Finding {
	id, rule := r.ruleOf(result, rules)
	level := result.Level
	if level == "" && rule.Configuration != nil {
		level = rule.Configuration.Level
	}
	finding := pipeline.Finding{
		Tool: clip(r.Tool.Driver.Name, 100), Rule: clip(id, 200),
		Level:    sarifLevel(level),
		Severity: sarifSeverity(result.Properties.SecuritySeverity, rule.Properties.SecuritySeverity),
		Title:    clip(sarifTitle(id, rule), 250), Message: clip(result.Message.Text, maxText), URL: httpURL(rule.HelpURI),
	}
	if finding.Message == "" {
		finding.Message = finding.Title
	}
	if len(result.Locations) == 0 {
		return finding
	}
	at := result.Locations[0].Physical
	finding.Path = r.path(at.Artifact, dir)
	if at.Region != nil && finding.Path != "" {
		finding.Line = max(at.Region.StartLine, 0)
		finding.EndLine = max(at.Region.EndLine, finding.Line)
		finding.Column = max(at.Region.StartColumn, 0)
	}
	return finding
}

func sarifTitle(id string, rule sarifRule) string {
	switch {
	case rule.ShortDescription != nil && rule.ShortDescription.Text != "":
		return rule.ShortDescription.Text
	case rule.Name != "":
		return rule.Name
	case id != "":
		return id
	}
	return "Finding"
}

// path resolves an artifact's URI to a path of the checkout, or empty when it lies elsewhere.
func (r sarifRun) path(location sarifLocation, dir string) string {
	uri := location.URI
	if base := r.OriginalURIBaseIDs[location.URIBaseID].URI; base != "" && !strings.Contains(uri, "://") {
		uri = strings.TrimSuffix(base, "/") + "/" + uri
	}
	parsed, err := url.Parse(uri)
	if err != nil || parsed.Scheme != "" && parsed.Scheme != "file" {
		return ""
	}
	return clip(clean(relative(parsed.Path, dir)), maxName)
}

// sarifLevel maps the four levels of SARIF; a missing one means warning.
func sarifLevel(level string) pipeline.Level {
	switch level {
	case "error":
		return pipeline.LevelFailure
	case "note", "none":
		return pipeline.LevelNotice
	}
	return pipeline.LevelWarning
}

// sarifSeverity maps the score as GitHub's code scanning does: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium.
// The result's own score wins over its rule's.
func sarifSeverity(scores ...json.RawMessage) pipeline.Severity {
	for _, raw := range scores {
		score, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
		if err != nil || !(score >= 0 && score <= 10) {
			continue
		}
		return SeverityOfScore(score)
	}
	return pipeline.SeverityNone
}

// SeverityOfScore is the severity of a CVSS score.
func SeverityOfScore(score float64) pipeline.Severity {
	switch {
	case score >= 9:
		return pipeline.SeverityCritical
	case score >= 7:
		return pipeline.SeverityHigh
	case score >= 4:
		return pipeline.SeverityMedium
	case score > 0:
		return pipeline.SeverityLow
	}
	return pipeline.SeverityNone
}

// httpURL keeps a link only when it is one a browser may follow.
func httpURL(text string) string {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		return ""
	}
	return clip(parsed.String(), 2000)
}
