package dashboard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// findingsInSight is how many findings a panel shows before a fold.
const findingsInSight = 25

type findingView struct {
	Face     display.Face
	Severity string
	Tool     string
	Place    string
	PlaceURL string
	Title    string
	Message  string
	Details  string
	URL      string
}

// findingsOf puts the gravest first.
func findingsOf(trigger pipeline.Trigger, findings []pipeline.Finding) (first, more []findingView) {
	ordered := slices.Clone(findings)
	slices.SortStableFunc(ordered, func(a, b pipeline.Finding) int { return gravity(b) - gravity(a) })
	web := forgeOf(trigger.Repository)
	for i, f := range ordered[:min(len(ordered), pipeline.MaxFindings)] {
		view := findingOf(f, web, trigger.SHA)
		if i < findingsInSight {
			first = append(first, view)
		} else {
			more = append(more, view)
		}
	}
	return first, more
}

func gravity(f pipeline.Finding) int {
	severities := []pipeline.Severity{
		pipeline.SeverityNone, pipeline.SeverityLow, pipeline.SeverityMedium, pipeline.SeverityHigh, pipeline.SeverityCritical,
	}
	levels := []pipeline.Level{pipeline.LevelNotice, pipeline.LevelWarning, pipeline.LevelFailure}
	return max(slices.Index(severities, f.Severity), 0) + 10*max(slices.Index(levels, f.Level), 0)
}

func findingOf(f pipeline.Finding, web forge, sha string) findingView {
	v := findingView{
		Face: levelFace(f.Level), Tool: display.Line(f.Tool), Title: display.Line(f.Title), Message: display.Text(f.Message),
		Details: display.Text(f.Details), URL: webURL(f.URL),
	}
	if f.Rule != "" {
		v.Tool = strings.TrimSpace(v.Tool + " " + display.Line(f.Rule))
	}
	if f.Severity != "" && f.Severity != pipeline.SeverityNone {
		v.Severity = display.Line(string(f.Severity))
	}
	if v.Title == "" {
		v.Title, v.Message = v.Message, ""
	}
	if f.Path != "" {
		v.Place, v.PlaceURL = display.Line(f.Path), web.file(sha, f.Path, f.Line)
		if f.Line > 0 {
			v.Place += fmt.Sprintf(":%d", f.Line)
		}
	}
	return v
}

func levelFace(level pipeline.Level) display.Face {
	switch level {
	case pipeline.LevelFailure:
		return display.Face{Word: "failure", Sign: "✗", Tone: display.ToneBad}
	case pipeline.LevelWarning:
		return display.Face{Word: "warning", Sign: "!", Tone: display.ToneWarn}
	case pipeline.LevelNotice:
		return display.Face{Word: "notice", Sign: "i", Tone: display.ToneQuiet}
	default:
		return display.Face{Word: "notice", Sign: "i", Tone: display.ToneQuiet}
	}
}
