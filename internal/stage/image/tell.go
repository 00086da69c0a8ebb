package image

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// Bounds of what is listed.
const (
	listedVulnerabilities = 30
	annotatedFindings     = 100
	listedLayers          = 40
	maxCell               = 160
)

// layer is one layer of an image with the instruction that made it.
type layer struct {
	platform, digest, by string
	bytes                int64
}

// layers are those of all platforms, in their order.
func (b built) layers() ([]layer, error) {
	var all []layer
	for _, one := range b.images {
		manifest, err := one.image.Manifest()
		if err != nil {
			return nil, fmt.Errorf("read the built image: %w", err)
		}
		config, err := one.image.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("read the built image: %w", err)
		}
		var by []string
		for _, h := range config.History {
			if !h.EmptyLayer {
				by = append(by, strings.TrimSuffix(strings.Join(strings.Fields(h.CreatedBy), " "), " # buildkit"))
			}
		}
		for i, l := range manifest.Layers {
			one := layer{platform: one.platform.String(), digest: l.Digest.String(), bytes: l.Size}
			if i < len(by) {
				one.by = clip(by[i], maxCell)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// tell emits what the build and the scan have given.
func (a *attempt) tell(b building, made built, how howMade, layers []layer, scan scanned) {
	a.s.Section(buildSection(made, how, layers))
	a.s.Section(a.scanSection(scan))
	if section, some := vulnerabilitySection(scan.vulnerabilities); some {
		a.s.Section(section)
	}
	for _, c := range scan.changes {
		a.s.Section(c.section())
	}
	if section, some := report.FindingsSection("Secrets and misconfiguration", scan.places); some {
		a.s.Section(section)
	}
	a.tellPolicies(b, made)
	for _, f := range a.findings(scan) {
		a.s.Finding(f)
	}
}

func buildSection(made built, how howMade, layers []layer) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Layer"}, {Name: "Size", Right: true}, {Name: "Made by"}}}
	var total int64
	for _, l := range layers {
		total += l.bytes
	}
	for _, l := range layers[:min(len(layers), listedLayers)] {
		name := l.digest[:min(len(l.digest), len("sha256:")+12)]
		if len(made.images) > 1 {
			name = l.platform + " " + name
		}
		table.Rows = append(table.Rows, []string{name, bytesOf(l.bytes), l.by})
	}
	text := fmt.Sprintf("%s, %s in %s.", made.digest, bytesOf(total), report.Count(len(layers), "layer"))
	switch {
	case how.earlier.revision != "":
		text += fmt.Sprintf(" Nothing was built: commit %s had the same files, definition and base images, and this is its image.", short(how.earlier.revision))
	case how.result.Steps > 0:
		text += fmt.Sprintf(" %d of %s came from the cache.", how.result.Cached, report.Count(how.result.Steps, "step"))
	}
	return pipeline.Section{Title: "Image", Text: text, Table: &table}
}

var severities = []pipeline.Severity{pipeline.SeverityCritical, pipeline.SeverityHigh, pipeline.SeverityMedium, pipeline.SeverityLow} //nolint:gochecknoglobals // a constant list; Go has no constant slices

func (a *attempt) scanSection(scan scanned) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Scan"}}}
	for _, severity := range severities {
		table.Columns = append(table.Columns, pipeline.Column{Name: strings.ToUpper(string(severity[:1])) + string(severity[1:]), Right: true})
	}
	row := func(name string, known bool, count func(pipeline.Severity) int) {
		cells := []string{name}
		for _, severity := range severities {
			if known {
				cells = append(cells, strconv.Itoa(count(severity)))
			} else {
				cells = append(cells, "?")
			}
		}
		table.Rows = append(table.Rows, cells)
	}
	row("Vulnerabilities", scan.unknown == "", scan.vulnerable)
	row("Secrets and misconfiguration", scan.db.dir != "", func(s pipeline.Severity) int {
		n := 0
		for _, f := range scan.places {
			if f.Severity == s {
				n++
			}
		}
		return n
	})
	text := "Fails from severity " + string(a.settings.Scan.FailOn) + " on."
	if a.settings.Scan.FailOn == pipeline.SeverityNone {
		text = "Nothing fails the stage: fail-on is none."
	}
	return pipeline.Section{Title: "Scan", Text: strings.Join(append([]string{text}, a.remarks(scan)...), " "), Table: &table}
}

// remarks are what a reader has to know of the scan beside its figures.
func (a *attempt) remarks(scan scanned) []string {
	var all []string
	switch {
	case scan.unknown != "":
		all = append(all, sentence(scan.unknown))
	case scan.db.problem != "":
		all = append(all, fmt.Sprintf("The vulnerability database is of %s: %s.", day(scan.db.updated), scan.db.problem))
	default:
		all = append(all, fmt.Sprintf("The vulnerability database is of %s.", day(scan.db.updated)))
	}
	if a.settings.Scan.IgnoreUnfixed {
		all = append(all, "Vulnerabilities without a fix are left out.")
	}
	if scan.ignored > 0 {
		all = append(all, report.Count(scan.ignored, "ignored finding")+" (.trivyignore).")
	}
	return append(all, scan.notes...)
}

func (s scanned) vulnerable(severity pipeline.Severity) int {
	n := 0
	for _, v := range s.vulnerabilities {
		if severityOf(v.Severity) == severity {
			n++
		}
	}
	return n
}

// title is "0 critical, 2 high".
func (s scanned) title() string {
	if s.unknown != "" {
		return "vulnerabilities not looked for"
	}
	parts := []string{
		fmt.Sprintf("%d critical", s.vulnerable(pipeline.SeverityCritical)), fmt.Sprintf("%d high", s.vulnerable(pipeline.SeverityHigh)),
	}
	return strings.Join(parts, ", ")
}

func vulnerabilitySection(all []vulnerability) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Severity"}, {Name: "Vulnerability"}, {Name: "Package"}, {Name: "Installed"}, {Name: "Fixed in"}, {Name: "What"}}}
	for _, v := range all[:min(len(all), listedVulnerabilities)] {
		table.Rows = append(table.Rows, []string{
			string(severityOf(v.Severity)), v.ID, v.Package, v.Installed, cmp.Or(v.Fixed, strings.ReplaceAll(v.Status, "_", " "), "–"), clip(v.Title, maxCell),
		})
	}
	section := pipeline.Section{Title: "Vulnerabilities", Table: &table}
	if len(all) > listedVulnerabilities {
		section.Text = fmt.Sprintf("The first %d of %d; all of them are in trivy.sarif among the artifacts.", listedVulnerabilities, len(all))
	}
	return section, len(all) > 0
}

func (c change) section() pipeline.Section {
	section := pipeline.Section{Title: "Against " + c.environment}
	switch {
	case c.same:
		section.Text = c.environment + " runs this image already."
	case c.unknown:
		section.Text = fmt.Sprintf("%s runs %s, and what was found in that image is not known here any more.", c.environment, c.digest)
	default:
		section.Text = fmt.Sprintf("Against the image that %s runs now: %s gone, %s new.", c.environment, vulnerabilities(len(c.fixed)), vulnerabilities(len(c.come)))
		table := pipeline.Table{Columns: []pipeline.Column{{Name: ""}, {Name: "Severity"}, {Name: "Vulnerability"}, {Name: "Package"}, {Name: "Version"}}}
		for _, group := range []struct {
			word string
			all  []vulnerability
		}{{"new", c.come}, {"gone", c.fixed}} {
			for _, v := range group.all[:min(len(group.all), listedVulnerabilities)] {
				table.Rows = append(table.Rows, []string{group.word, string(severityOf(v.Severity)), v.ID, v.Package, v.Installed})
			}
		}
		if len(table.Rows) > 0 {
			section.Table = &table
		}
	}
	return section
}

func vulnerabilities(n int) string {
	if n == 1 {
		return "1 vulnerability"
	}
	return strconv.Itoa(n) + " vulnerabilities"
}

func (a *attempt) tellPolicies(b building, made built) {
	config, err := made.images[0].image.ConfigFile()
	if err != nil {
		a.s.Log("The rules of good images cannot be told: " + err.Error())
		return
	}
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Rule"}, {Name: "Kept"}, {Name: "How"}}}
	for _, p := range policies(b.dockerfile, config) {
		kept := "no"
		if p.kept {
			kept = "yes"
		}
		table.Rows = append(table.Rows, []string{p.rule, kept, clip(p.note, maxCell)})
	}
	a.s.Section(pipeline.Section{Title: "Image rules", Table: &table})
}

// findings are what becomes annotations, the worst first. Those on lines are in any case among them: the commit can mend
// them, and the rest of the vulnerabilities is in the table.
func (a *attempt) findings(scan scanned) []pipeline.Finding {
	worst := func(x, y pipeline.Finding) int {
		return report.SeverityRank(y.Severity) - report.SeverityRank(x.Severity)
	}
	all := slices.Clone(scan.places)
	slices.SortStableFunc(all, worst)
	for _, v := range scan.vulnerabilities[:min(len(scan.vulnerabilities), annotatedFindings)] {
		all = append(all, v.finding())
	}
	all = all[:min(len(all), annotatedFindings)]
	for i := range all {
		if a.fails(all[i].Severity) {
			all[i].Level = pipeline.LevelFailure
		}
	}
	slices.SortStableFunc(all, worst)
	return all
}

// fails reports whether a finding of this severity fails the stage.
func (a *attempt) fails(severity pipeline.Severity) bool {
	least := report.SeverityRank(a.settings.Scan.FailOn)
	return least > 0 && report.SeverityRank(severity) >= least
}

// tooBad is why the scan fails the stage; empty: it does not.
func (a *attempt) tooBad(scan scanned) string {
	var failing []string
	for _, v := range scan.vulnerabilities {
		if a.fails(severityOf(v.Severity)) {
			text := fmt.Sprintf("%s in %s %s (%s", v.ID, v.Package, v.Installed, severityOf(v.Severity))
			if v.Fixed != "" {
				text += ", fixed in " + v.Fixed
			}
			failing = append(failing, text+")")
		}
	}
	for _, f := range scan.places {
		if a.fails(f.Severity) {
			text := f.Title + " (" + string(f.Severity) + ")"
			switch {
			case f.Path != "" && f.Line > 0:
				text = fmt.Sprintf("%s:%d: %s", f.Path, f.Line, text)
			case f.Path != "":
				text = f.Path + ": " + text
			}
			failing = append(failing, text)
		}
	}
	if scan.unknown != "" && a.fails(unknownAs) {
		failing = append(failing, scan.unknown)
	}
	if len(failing) == 0 {
		return ""
	}
	const named = 3
	text := strings.Join(failing[:min(len(failing), named)], "; ")
	if rest := len(failing) - named; rest > 0 {
		text += fmt.Sprintf("; and %d more", rest)
	}
	return sentence("The scan fails from severity " + string(a.settings.Scan.FailOn) + " on: " + text)
}

func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}
