package kubernetes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// Bounds of what a check shows; the whole is an artifact.
const (
	shownRows  = 60
	shownLines = 400
)

func (o outlook) count(a action) int {
	n := 0
	for _, c := range o.compared {
		if c.action == a {
			n++
		}
	}
	return n
}

// summary is the plan in a few words.
func (o outlook) summary(prune bool) string {
	parts := []string{
		fmt.Sprintf("%d to create", o.count(toCreate)), fmt.Sprintf("%d to change", o.count(toChange)),
	}
	if n := o.count(toReplace); n > 0 {
		parts = append(parts, fmt.Sprintf("%d to replace", n))
	}
	if n := len(o.prune); n > 0 && prune {
		parts = append(parts, fmt.Sprintf("%d to delete", n))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d unchanged", o.count(toLeave))), ", ")
}

// conclude shows what would change and ends the preparation.
func (d *deploy) conclude(seen outlook) (pipeline.Verdict, error) {
	for _, c := range seen.compared {
		d.tellWarnings(c)
	}
	for _, section := range seen.sections(d.namespace, d.settings.Prune, d.take()) {
		d.s.Section(section)
	}
	if section, some := imagesSection(d.images); some {
		d.s.Section(section)
	}
	if text := seen.diff(d.namespace); text != "" {
		if err := d.artifact(d.task.Stage.ID+".diff", []byte(text)); err != nil {
			return pipeline.Verdict{}, err
		}
	}
	if verdict, bad := d.refusals(seen); bad {
		return verdict, nil
	}
	text, err := exact(d.objects)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	d.s.Part(pipeline.Part{Kind: pipeline.PartManifests, Name: d.task.Stage.Key, Value: hashOf(text), Detail: seen.summary(d.settings.Prune)})
	title := seen.summary(d.settings.Prune)
	if d.rollback() {
		title = fmt.Sprintf("Release %d: %s", d.task.Restores.Number, title)
	}
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: title}, nil
}

// tellWarnings makes findings of what the API server remarked.
func (d *deploy) tellWarnings(c comparison) {
	for _, text := range c.warnings {
		rule := "server-warning"
		path := []string{"apiVersion"}
		if strings.Contains(text, "deprecated") {
			rule = "deprecated-api"
		}
		d.s.Finding(remark(c.object, path, rule, pipeline.SeverityMedium, "The API server warns", "%s: %s", c.key(), text))
	}
}

// refusals is the verdict where the API server would not take an object, or somebody else has its fields.
func (d *deploy) refusals(seen outlook) (pipeline.Verdict, bool) {
	var first string
	refusals, conflicts := 0, 0
	for _, c := range seen.compared {
		switch {
		case c.action == refused:
			refusals++
			line := c.lineOf()
			d.s.Finding(pipeline.Finding{
				Tool: tool, Rule: "refused", Path: c.path, Line: line, EndLine: line, Level: pipeline.LevelFailure,
				Title: "The cluster refuses " + c.key().String(), Message: c.why,
			})
			if first == "" {
				first = fmt.Sprintf("%s (%s): %s", c.key(), place(c.object), c.why)
			}
		case len(c.conflicts) > 0 && !d.take():
			conflicts += len(c.conflicts)
			if first == "" {
				first = fmt.Sprintf("%s: %s is managed by %s. Take it out of the manifest, or write `conflicts: take` to make it ours", c.key(), c.conflicts[0].field, c.conflicts[0].owner)
			}
		}
	}
	switch {
	case refusals > 0:
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: "The cluster refuses " + report.Count(refusals, "object"), Cause: strings.TrimSuffix(first, ".") + ". Nothing was applied."}, true
	case conflicts > 0:
		return pipeline.Verdict{Status: pipeline.StatusFailure, Title: report.Count(conflicts, "field") + " managed by somebody else", Cause: first + ". Nothing was applied."}, true
	}
	return pipeline.Verdict{}, false
}

// sections show what would change, the gravest first.
func (o outlook) sections(namespace string, prune, take bool) []pipeline.Section {
	var out []pipeline.Section
	if s, some := o.conflictSection(namespace, take); some {
		out = append(out, s)
	}
	if s, some := o.graveSection(namespace, prune); some {
		out = append(out, s)
	}
	out = append(out, o.objectSection(namespace))
	if text := o.diff(namespace); text != "" {
		lines := strings.SplitAfter(text, "\n")
		s := pipeline.Section{Title: "Changes by field", Code: strings.Join(lines[:min(len(lines), shownLines)], "")}
		if len(lines) > shownLines {
			s.Text = fmt.Sprintf("The first %d of %d lines; all are among the artifacts.", shownLines, len(lines))
		}
		out = append(out, s)
	}
	if s, some := o.leftSection(namespace, prune); some {
		out = append(out, s)
	}
	return out
}

func (o outlook) conflictSection(namespace string, take bool) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Object"}, {Name: "Field"}, {Name: "Managed by"}}}
	for _, c := range o.compared {
		for _, f := range c.conflicts {
			table.Rows = append(table.Rows, []string{c.key().in(namespace), f.field, f.owner})
		}
	}
	s := pipeline.Section{Title: "Fields that somebody else manages", Table: &table, Text: "These were changed in the cluster by others. A deploy leaves them alone and fails."}
	if take {
		s.Text = "These were changed in the cluster by others, by hand or by a controller, and this deploy sets them anew."
	}
	return s, len(table.Rows) > 0
}

// graveSection lists what is lost: objects deleted and made anew, and fields that go.
func (o outlook) graveSection(namespace string, prune bool) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Object"}, {Name: "What"}, {Name: "Details"}}}
	if prune {
		for _, l := range o.prune {
			table.Rows = append(table.Rows, []string{l.in(namespace), "deleted", "no longer in the manifests"})
		}
	}
	for _, c := range o.compared {
		name := c.key().in(namespace)
		switch {
		case c.action == refused && c.immutable:
			table.Rows = append(table.Rows, []string{name, "cannot be changed", c.why})
		case c.action == refused:
			table.Rows = append(table.Rows, []string{name, "refused", c.why})
		case c.action == toReplace:
			table.Rows = append(table.Rows, []string{name, "deleted and made anew", c.why})
		}
		for _, f := range c.changes {
			if f.removed() && c.action == toChange {
				table.Rows = append(table.Rows, []string{name, "removed", f.path + ": " + f.old})
			}
		}
	}
	s := pipeline.Section{Title: "Removed, replaced, refused", Table: &table}
	if n := len(table.Rows); n > shownRows {
		table.Rows = table.Rows[:shownRows]
		s.Text = fmt.Sprintf("The first %d of %d.", shownRows, n)
	}
	return s, len(table.Rows) > 0
}

func (o outlook) objectSection(namespace string) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Object"}, {Name: "Action"}, {Name: "Fields", Right: true}, {Name: "Remark"}}}
	unchanged := 0
	for _, a := range []action{refused, toReplace, toCreate, toChange} {
		for _, c := range o.compared {
			if c.action != a {
				continue
			}
			fields := ""
			if len(c.changes) > 0 {
				fields = fmt.Sprint(len(c.changes))
			}
			remark := ""
			if a == toCreate {
				remark = c.why
			}
			if slices.ContainsFunc(c.changes, func(f change) bool { return strings.HasSuffix(f.path, "["+configurationAnnotation+"]") }) {
				remark = "its pods are made anew: their configuration changed"
			}
			table.Rows = append(table.Rows, []string{c.key().in(namespace), string(a), fields, remark})
		}
	}
	for _, c := range o.compared {
		if c.action == toLeave {
			unchanged++
		}
	}
	s := pipeline.Section{Title: "Objects", Table: &table, Text: report.Count(unchanged, "object") + " unchanged."}
	if n := len(table.Rows); n > shownRows {
		table.Rows = table.Rows[:shownRows]
		s.Text = fmt.Sprintf("The first %d of %d that change. %s", shownRows, n, s.Text)
	}
	if len(table.Rows) == 0 {
		s.Table = nil
	}
	return s
}

func (o outlook) leftSection(namespace string, prune bool) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Object"}, {Name: "Why it stays"}}}
	if !prune {
		for _, l := range o.prune {
			table.Rows = append(table.Rows, []string{l.in(namespace), "`prune` of the stage is false"})
		}
	}
	for _, l := range o.kept {
		table.Rows = append(table.Rows, []string{l.in(namespace), l.why})
	}
	return pipeline.Section{Title: "Left over from earlier deploys", Table: &table, Folded: true}, len(table.Rows) > 0
}

// diff is every change, field by field.
func (o outlook) diff(namespace string) string {
	var out strings.Builder
	for _, c := range o.compared {
		if len(c.changes) == 0 {
			continue
		}
		fmt.Fprintf(&out, "%s (%s)\n", c.key().in(namespace), place(c.object))
		for _, f := range c.changes {
			if strings.HasSuffix(f.path, "["+configurationAnnotation+"]") {
				out.WriteString("  ~ its configuration changed, so that its pods are made anew\n")
				continue
			}
			fmt.Fprintf(&out, "  %s\n", f)
		}
	}
	return out.String()
}
