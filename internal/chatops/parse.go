package chatops

import (
	"regexp"
	"slices"
	"strings"
)

// Invocation is one command as somebody wrote it.
type Invocation struct {
	// Name is lower case, without the slash; it need not be one of ours.
	Name string
	// Args is the rest of the line without blanks around it. Hostile text.
	Args string
}

// String is the line, as it can be written again.
func (i Invocation) String() string { return strings.TrimSpace("/" + i.Name + " " + i.Args) }

// maxBody is GitHub's limit on a comment, in characters; what lies behind is not read.
const maxBody = 65_536 * 4

// line is a command: a slash at the very start, a word of ASCII letters and hyphens, then nothing, or a blank and the rest.
var line = regexp.MustCompile(`^/([A-Za-z][A-Za-z-]*)(?:[ \t]+(.*))?$`)

// Parse finds the commands of a comment: one a line, at the start of the line, outside of code, quotes and what GitHub
// does not show (HTML comments, addresses of links). In doubt a line is none. It takes time in proportion to the text.
func Parse(body string) []Invocation {
	if len(body) > maxBody {
		body = body[:maxBody]
	}
	body = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body)
	var found []Invocation
	var b blocks
	flush := func() {
		found = append(found, b.paragraph.commands()...)
		b.paragraph = nil
	}
	for text := range strings.SplitSeq(body, "\n") {
		if !b.takes(text) {
			flush()
		}
	}
	flush()
	return found
}

// paragraph is consecutive lines of ordinary text.
type paragraph []string

func (p paragraph) commands() []Invocation {
	if p.defines() {
		return nil
	}
	var found []Invocation
	var hidden []span
	scanned := false
	at := 0
	for _, text := range p {
		if m := line.FindStringSubmatch(text); m != nil {
			if !scanned {
				hidden, scanned = hiddenSpans(strings.Join(p, "\n")), true
			}
			for len(hidden) > 0 && hidden[0].to <= at {
				hidden = hidden[1:]
			}
			if len(hidden) == 0 || hidden[0].from > at {
				found = append(found, Invocation{Name: strings.ToLower(m[1]), Args: strings.Trim(m[2], " \t")})
			}
		}
		at += len(text) + 1
	}
	return found
}

// defines reports whether the paragraph could begin with the definition of a link, of which nothing is shown.
func (p paragraph) defines() bool {
	if len(p) == 0 || !strings.HasPrefix(strings.TrimLeft(p[0], " "), "[") {
		return false
	}
	return slices.ContainsFunc(p, func(text string) bool { return strings.Contains(text, "]:") })
}
