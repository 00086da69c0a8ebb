package terraform

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// errApply says that Terraform ended with an error, which its diagnostics tell.
var errApply = errors.New("terraform apply failed")

const (
	maxFollowed  = 20_000
	shownUndone  = 50
	toDo         = "not begun"
	underWay     = "begun, and not finished"
	finished     = "done"
	brokenOff    = "failed"
	actionDelete = "delete"
)

// progress is how far an apply has come.
type progress struct {
	mu sync.Mutex
	// what has an entry for each change, in the order in which Terraform told them.
	order []string
	what  map[string]*step
	// the summary Terraform itself gives at the end.
	told                string
	added, changed, ate int
}

// step is one change of one resource. A replacement is two of them, of which the first to begin gives the name.
type step struct{ action, state string }

// take follows an event, and reports whether it is worth a line of progress.
func (p *progress) take(said event) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch said.Type {
	case "planned_change":
		if said.Change != nil {
			p.plan(said.Change.Resource.Address, said.Change.Action)
		}
	case "apply_start", "apply_progress", "apply_complete", "apply_errored":
		if said.Hook != nil {
			p.move(*said.Hook, said.Type)
			return true
		}
	case "change_summary":
		if c := said.Changes; c != nil && c.Operation != "plan" {
			p.told, p.added, p.changed, p.ate = said.Message, c.Add, c.Change, c.Remove
		}
	}
	return false
}

func (p *progress) plan(address, action string) {
	if p.what == nil {
		p.what = make(map[string]*step)
	}
	if _, known := p.what[address]; known || len(p.what) == maxFollowed || action == "noop" || action == "read" || action == "move" {
		return
	}
	p.order = append(p.order, address)
	p.what[address] = &step{action: action, state: toDo}
}

func (p *progress) move(h hook, event string) {
	s, known := p.what[h.Resource.Address]
	if !known {
		p.plan(h.Resource.Address, h.Action)
		if s, known = p.what[h.Resource.Address]; !known {
			return
		}
	}
	switch event {
	case "apply_complete":
		// The first half of a replacement leaves it begun.
		if s.action != "replace" || s.state == "half" {
			s.state = finished
		} else {
			s.state = "half"
		}
	case "apply_errored":
		s.state = brokenOff
	default:
		if s.state == toDo {
			s.state = underWay
		}
	}
}

func (p *progress) count(states ...string) int {
	n := 0
	for _, s := range p.what {
		if slices.Contains(states, s.state) {
			n++
		}
	}
	return n
}

// line is the live line.
func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, address := range p.order {
		if s := p.what[address].state; s == underWay || s == "half" {
			return fmt.Sprintf("%d of %d changes made; at work on %s", p.count(finished), len(p.order), address)
		}
	}
	return fmt.Sprintf("%d of %d changes made", p.count(finished), len(p.order))
}

// done is "3 added, 1 changed, 1 destroyed", from Terraform's own count.
func (p *progress) done() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == "" {
		return fmt.Sprintf("%d of %d changes made", p.count(finished), len(p.order))
	}
	return fmt.Sprintf("%d added, %d changed, %d destroyed", p.added, p.changed, p.ate)
}

// summary is "2 of 5 changes were made".
func (p *progress) summary() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf("%d of %s made", p.count(finished), report.Count(len(p.order), "change"))
	if n := p.count(brokenOff, underWay, "half"); n > 0 {
		text += fmt.Sprintf(", %s not finished", report.Count(n, "change"))
	}
	return text + "."
}

// section lists what was not done, or says that all was.
func (p *progress) section(title, text string) pipeline.Section {
	p.mu.Lock()
	defer p.mu.Unlock()
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Resource"}, {Name: "Change"}, {Name: "How far"}}}
	undone := 0
	for _, state := range []string{brokenOff, underWay, "half", toDo} {
		for _, address := range p.order {
			s := p.what[address]
			if s.state != state {
				continue
			}
			if undone++; undone <= shownUndone {
				shown := s.state
				if shown == "half" {
					shown = underWay
				}
				table.Rows = append(table.Rows, []string{clip(address, shownText), s.action, shown})
			}
		}
	}
	if undone > shownUndone {
		text += fmt.Sprintf("\n\nThe first %d of %d changes that were not made:", shownUndone, undone)
	}
	section := pipeline.Section{Title: title, Text: text}
	if len(table.Rows) > 0 {
		section.Table = &table
	}
	return section
}
