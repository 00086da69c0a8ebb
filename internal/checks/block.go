package checks

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/markdown"
)

// block is a part of a text that can be shown shorter. Whatever the limit, what it renders is complete Markdown.
type block interface {
	// render returns at most limit bytes, nothing if it cannot be said in so few; whole: nothing is missing.
	render(limit int) (text string, whole bool)
}

// bounded is a block that never takes more than its share.
type bounded struct {
	block
	most int
}

func (b bounded) render(limit int) (string, bool) { return b.block.render(min(limit, b.most)) }

// prepared is Markdown of ours: it is shown whole or not at all.
type prepared string

func (p prepared) render(limit int) (string, bool) {
	if len(p) > limit {
		return "", false
	}
	return string(p), true
}

// paragraphs is hostile text, paragraphs separated by empty lines.
type paragraphs string

func (p paragraphs) render(limit int) (string, bool) { return lines(string(p), limit, plain) }

// explanation is paragraphs in which backticks quote code.
type explanation string

func (e explanation) render(limit int) (string, bool) { return lines(string(e), limit, spans) }

func lines(text string, limit int, escape func(string) string) (string, bool) {
	lines := strings.Split(strings.TrimSpace(display.Text(text)), "\n")
	var b strings.Builder
	pending := ""
	for _, line := range lines {
		shown := escape(line)
		if shown == "" {
			if b.Len() > 0 {
				pending = "\n\n"
			}
			continue
		}
		if b.Len()+len(pending)+len(shown) > limit-len("…") {
			const least = 80
			if room := (limit - b.Len() - len(pending)) / 5; room > least { // escaping makes five bytes of one at most
				shown = plain(clip(strings.TrimSpace(line), room))
				b.WriteString(pending + shown)
			}
			return b.String(), false
		}
		b.WriteString(pending + shown)
		pending = "\\\n"
	}
	return b.String(), true
}

// titled puts a heading over a block.
type titled struct {
	title string // Markdown
	body  block
}

func (t titled) render(limit int) (string, bool) {
	head := "### " + t.title + "\n\n"
	body, whole := t.body.render(limit - len(head))
	if body == "" {
		return "", whole
	}
	return head + body, whole
}

// folded hides a block behind its title.
type folded struct {
	title string // hostile text
	body  block
}

func (f folded) render(limit int) (string, bool) {
	head, foot := "<details><summary>"+htmlText(f.title)+"</summary>\n\n", "\n\n</details>"
	body, whole := f.body.render(limit - len(head) - len(foot))
	if body == "" {
		return "", whole
	}
	return head + body + foot, whole
}

// stacked shows blocks one below the other.
type stacked []block

func (s stacked) render(limit int) (string, bool) {
	var b strings.Builder
	complete := true
	for _, inner := range s {
		gap := ""
		if b.Len() > 0 {
			gap = "\n\n"
		}
		text, whole := inner.render(limit - b.Len() - len(gap))
		complete = complete && whole
		if text != "" {
			b.WriteString(gap + text)
		}
	}
	return b.String(), complete
}

// fence shows lines verbatim; tail keeps the last ones when not all fit, otherwise the first.
type fence struct {
	lines []string
	tail  bool
}

func (f fence) render(limit int) (string, bool) {
	lines := make([]string, len(f.lines))
	for i, line := range f.lines {
		lines[i] = display.Line(line)
	}
	ticks := strings.Repeat("`", max(3, markdown.LongestRun(strings.Join(lines, "\n"), '`')+1))
	const remark = 60
	room := limit - 2*len(ticks) - 2 - remark
	kept := f.fitting(lines, room)
	if len(kept) == 0 {
		return "", len(lines) == 0
	}
	missing := len(lines) - len(kept)
	body := strings.Join(kept, "\n")
	if missing > 0 {
		note := fmt.Sprintf("… %s left out …", display.Count(missing, "more line"))
		if f.tail {
			body = note + "\n" + body
		} else {
			body += "\n" + note
		}
	}
	return ticks + "\n" + body + "\n" + ticks, missing == 0
}

func (f fence) fitting(lines []string, room int) []string {
	count := 0
	for count < len(lines) {
		next := lines[count]
		if f.tail {
			next = lines[len(lines)-1-count]
		}
		if room -= len(next) + 1; room < 0 {
			break
		}
		count++
	}
	if count == 0 && len(lines) > 0 && room+len(lines[0]) > 100 { // one line that is longer than everything
		only := lines[0]
		if f.tail {
			only = lines[len(lines)-1]
		}
		if short := clip(only, room+len(only)); short != "" {
			return []string{short}
		}
	}
	if f.tail {
		return lines[len(lines)-count:]
	}
	return lines[:count]
}
