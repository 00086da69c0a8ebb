package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const (
	shownDestructive = 50
	shownChanges     = 300
	shownDrift       = 50
	shownOutputs     = 50
	shownAttributes  = 6
	shownValue       = 200
	namedInTitle     = 3
)

// Title is the plan in one line. What hurts to lose is named in it.
func (p Plan) Title() string {
	switch {
	case p.Empty() && len(p.Drift) > 0:
		return "No changes; " + drifted(len(p.Drift))
	case p.Empty():
		return "No changes"
	case len(p.Changes) == 0:
		return "Only outputs change"
	}
	title := p.Counts().String()
	if lost := p.Losses(); lost != "" {
		title += "; destroys " + lost
	}
	return title
}

func drifted(n int) string {
	if n == 1 {
		return "1 resource was changed outside of Terraform"
	}
	return strconv.Itoa(n) + " resources were changed outside of Terraform"
}

// Losses names the databases, buckets, volumes, clusters and keys that are destroyed or replaced.
func (p Plan) Losses() string {
	var named []string
	for _, c := range p.Destructive() {
		if what := Precious(c.Type); what != "" {
			named = append(named, "the "+what+" "+c.Address)
		}
	}
	if rest := len(named) - namedInTitle; rest > 0 {
		named = append(named[:namedInTitle:namedInTitle], fmt.Sprintf("%d more", rest))
	}
	return joined(named)
}

// joined is "a, b and c".
func joined(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Danger says what the plan destroys, in half a sentence; empty: nothing.
func (p Plan) Danger() string {
	n := p.Counts()
	var parts []string
	if gone := n.Destroy - n.Replace; gone > 0 {
		parts = append(parts, "destroys "+Count(gone, "resource"))
	}
	if n.Replace > 0 {
		parts = append(parts, "replaces "+Count(n.Replace, "resource"))
	}
	if len(parts) == 0 {
		return ""
	}
	text := "the plan " + strings.Join(parts, " and ")
	if lost := p.Losses(); lost != "" {
		text += ", among them " + lost
	}
	return text
}

// Sections show the plan to whoever is to approve it: figures, what is destroyed, the tree, outputs, drift.
func (p Plan) Sections() []pipeline.Section {
	sections := []pipeline.Section{p.figures()}
	for _, part := range []func() (pipeline.Section, bool){p.destructive, p.tree, p.outputs, p.drift} {
		if section, some := part(); some {
			sections = append(sections, section)
		}
	}
	return sections
}

func (p Plan) figures() pipeline.Section {
	n := p.Counts()
	table := pipeline.Table{
		Columns: []pipeline.Column{right("To add"), right("To change"), right("To replace"), right("To destroy"), right("Unchanged"), right("Drift")},
		Rows: [][]string{{
			strconv.Itoa(n.Add - n.Replace), strconv.Itoa(n.Change), strconv.Itoa(n.Replace), strconv.Itoa(n.Destroy - n.Replace),
			strconv.Itoa(p.Unchanged), strconv.Itoa(len(p.Drift)),
		}},
	}
	var more []string
	for _, m := range []struct {
		n    int
		what string
	}{{n.Import, "imported"}, {n.Move, "moved to another address"}, {n.Forget, "no longer managed, but left as it is"}} {
		if m.n > 0 {
			more = append(more, fmt.Sprintf("%s %s.", Count(m.n, "resource"), m.what))
		}
	}
	return pipeline.Section{Title: "Plan", Text: strings.Join(more, " "), Table: &table}
}

func (p Plan) destructive() (pipeline.Section, bool) {
	found := p.Destructive()
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "What happens"}, {Name: "Resource"}, {Name: "Why"}}}
	for _, c := range found[:min(len(found), shownDestructive)] {
		address := c.Address
		if what := Precious(c.Type); what != "" {
			address += " (" + what + ")"
		}
		table.Rows = append(table.Rows, []string{c.fate(), address, c.why()})
	}
	section := pipeline.Section{Title: "Destroyed or replaced", Table: &table}
	if len(found) > shownDestructive {
		section.Text = fmt.Sprintf("The first %d of %d; all of them are in terraform-plan.txt among the artifacts.", shownDestructive, len(found))
	}
	return section, len(found) > 0
}

func (c PlanChange) fate() string {
	switch {
	case c.Action == PlanDelete && c.Deposed != "":
		return "destroyed (left over from a replacement)"
	case c.Action == PlanDelete:
		return "destroyed"
	case c.CreateFirst:
		return "replaced: created anew, then destroyed"
	default:
		return "replaced: destroyed, then created anew"
	}
}

func (c PlanChange) why() string {
	if c.Reason != "" {
		return c.Reason
	}
	if len(c.Forcing) > 0 {
		return "cannot be changed in place: " + names(c.Forcing)
	}
	return ""
}

func names(all []string) string {
	if len(all) > shownAttributes {
		return strings.Join(all[:shownAttributes], ", ") + fmt.Sprintf(" and %d more", len(all)-shownAttributes)
	}
	return strings.Join(all, ", ")
}

// order is that of the tree within a module: destroys and replacements on top.
var order = []PlanAction{PlanDelete, PlanReplace, PlanForget, PlanUpdate, PlanCreate, PlanImport, PlanMove} //nolint:gochecknoglobals // a constant list; Go has no constant slices

func byDanger(a, b PlanChange) int {
	return cmp.Or(cmp.Compare(slices.Index(order, a.Action), slices.Index(order, b.Action)), strings.Compare(a.Address, b.Address))
}

// tree shows the changes by module. Modules that lose something come first.
func (p Plan) tree() (pipeline.Section, bool) {
	if len(p.Changes) == 0 {
		return pipeline.Section{}, false
	}
	changes := slices.Clone(p.Changes)
	worst := make(map[string]int)
	for _, c := range changes {
		at := slices.Index(order, c.Action)
		if known, ok := worst[c.Module]; !ok || at < known {
			worst[c.Module] = at
		}
	}
	slices.SortStableFunc(changes, func(a, b PlanChange) int {
		return cmp.Or(cmp.Compare(worst[a.Module], worst[b.Module]), strings.Compare(a.Module, b.Module), byDanger(a, b))
	})
	var text strings.Builder
	module, indent := "", ""
	for i, c := range changes[:min(len(changes), shownChanges)] {
		if c.Module != module || i == 0 {
			if module, indent = c.Module, ""; module != "" {
				fmt.Fprintln(&text, module)
				indent = "  "
			}
		}
		fmt.Fprintln(&text, indent+c.line())
	}
	section := pipeline.Section{Title: "Changes", Code: strings.TrimSuffix(text.String(), "\n")}
	if len(changes) > shownChanges {
		section.Text = fmt.Sprintf("The first %d of %d; all of them are in terraform-plan.txt among the artifacts.", shownChanges, len(changes))
	}
	return section, true
}

// line is "-/+ aws_db_instance.main  engine_version, id (forced by engine_version)".
func (c PlanChange) line() string {
	text := fmt.Sprintf("%3s %s", c.symbol(), strings.TrimPrefix(c.Address, c.Module+"."))
	var remarks []string
	if len(c.Attributes) > 0 {
		remarks = append(remarks, names(c.Attributes))
	}
	if len(c.Forcing) > 0 {
		remarks = append(remarks, "forced by "+names(c.Forcing))
	}
	if c.From != "" {
		remarks = append(remarks, "was "+c.From)
	}
	if c.Imported {
		remarks = append(remarks, "imported")
	}
	if c.Reason != "" {
		remarks = append(remarks, c.Reason)
	}
	if len(remarks) > 0 {
		text += "  # " + strings.Join(remarks, "; ")
	}
	return oneLine(text)
}

func (c PlanChange) symbol() string {
	switch {
	case c.Action == PlanReplace && c.CreateFirst:
		return "+/-"
	case c.Action == PlanReplace:
		return "-/+"
	case c.Action == PlanDelete:
		return "-"
	case c.Action == PlanCreate:
		return "+"
	case c.Action == PlanUpdate:
		return "~"
	case c.Action == PlanForget:
		return "."
	case c.Action == PlanImport:
		return "<="
	default:
		return ">"
	}
}

func (p Plan) outputs() (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Output"}, {Name: "Change"}, {Name: "Value"}}}
	changed := 0
	for _, o := range p.Outputs {
		if o.Action == "" {
			continue
		}
		if changed++; changed > shownOutputs {
			continue
		}
		table.Rows = append(table.Rows, []string{clip(o.Name, maxName), string(o.Action), o.shown()})
	}
	section := pipeline.Section{Title: "Outputs", Table: &table}
	if changed > shownOutputs {
		section.Text = fmt.Sprintf("The first %d of %d.", shownOutputs, changed)
	}
	return section, changed > 0
}

func (o PlanOutput) shown() string {
	switch {
	case o.Sensitive:
		return "sensitive"
	case o.Action == PlanDelete:
		return ""
	case !o.Known:
		return "known after the apply"
	default:
		return oneLine(clip(o.Text(), shownValue))
	}
}

func (p Plan) drift() (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Resource"}, {Name: "What happened"}}}
	for _, c := range p.Drift[:min(len(p.Drift), shownDrift)] {
		what := "changed: " + names(c.Attributes)
		if c.Action == PlanDelete {
			what = "deleted"
		}
		table.Rows = append(table.Rows, []string{c.Address, what})
	}
	text := "Somebody or something changed these outside of Terraform since the last apply. The changes above bring back what the configuration says, where it says something about them."
	if len(p.Drift) > shownDrift {
		text += fmt.Sprintf(" The first %d of %d.", shownDrift, len(p.Drift))
	}
	return pipeline.Section{Title: "Drift", Text: text, Table: &table}, len(p.Drift) > 0
}

// oneLine keeps hostile names from beginning lines of their own.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, text)
}
