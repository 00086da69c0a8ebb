package checks

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// waiting says for whom a stage waits, and what that person is to do.
func (p page) waiting() block {
	if entry := p.before(); entry != nil {
		return p.beforeEntry(entry)
	}
	if !p.run.Held(p.stage) {
		return paragraphs(p.stage.Reason)
	}
	t := p.run.Trigger
	return prepared(strings.Join([]string{
		"The commit comes from a fork, so nothing of it has been run.",
		"### What to do",
		fmt.Sprintf("Look at what the commit changes. If it may run here, comment on pull request #%d, as somebody with write permission:", t.PullRequest),
		"```\n" + display.Line(pipeline.WordFor(t.SHA)) + "\n```",
		"The word is for this commit alone: a new push waits for a new one. What runs gets no secrets and leaves nothing in shared caches.",
	}, "\n\n"))
}
