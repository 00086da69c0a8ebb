package checks

import (
	"path"
	"strings"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// annotate makes annotations of the findings that have a place, in their order, and returns those that must be listed.
func annotate(findings []pipeline.Finding) (annotations []Annotation, listed []pipeline.Finding) {
	for _, f := range findings {
		place, ok := annotationPath(f.Path)
		if !ok || len(annotations) == maxAnnotations {
			listed = append(listed, f)
			continue
		}
		annotations = append(annotations, annotation(f, place))
	}
	return annotations, listed
}

func annotation(f pipeline.Finding, place string) Annotation {
	first := max(f.Line, 1)
	a := Annotation{
		Path: place, StartLine: first, EndLine: max(f.EndLine, first), Level: level(f.Level),
		Title:      clip(strings.TrimSpace(display.Line(strings.TrimSpace(f.Rule+" "+f.Title))), maxAnnotationTitle),
		Message:    clip(display.Text(f.Message), maxAnnotationMessage),
		RawDetails: clip(display.Text(f.Details), maxAnnotationDetails),
	}
	if strings.TrimSpace(a.Message) == "" {
		a.Message = a.Title
	}
	if a.Message == "" {
		a.Message = "No message from " + clip(strings.TrimSpace(display.Line(f.Tool)), 100) + "."
	}
	if a.StartLine == a.EndLine && f.Column > 0 {
		a.StartColumn, a.EndColumn = f.Column, f.Column
	}
	return a
}

func level(l pipeline.Level) string {
	switch l {
	case pipeline.LevelFailure, pipeline.LevelWarning:
		return string(l)
	default:
		return string(pipeline.LevelNotice)
	}
}

// annotationPath is a path inside the repository as GitHub knows it; false for what is none.
func annotationPath(p string) (string, bool) {
	if p == "" || len(p) > maxPath || !utf8.ValidString(p) || display.Line(p) != p {
		return "", false
	}
	clean := path.Clean(p)
	if clean == "." || clean == ".." || strings.HasPrefix(clean, "../") || strings.HasPrefix(clean, "/") {
		return "", false
	}
	return clean, true
}
