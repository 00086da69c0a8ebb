package chatops

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func statusCommand() Command {
	return Command{
		Name: "status", Does: "Shows the stages of the newest run of the pull request's commit.", Who: Read, Closed: true,
		Examples: []Example{{"/status", "Answers with a table of the stages."}},
		decide:   func(facts, string) (order, *Refusal) { return order{}, nil },
		do: func(_ context.Context, d *Desk, f facts, _ order) (string, error) {
			return status(f, d.pageURL, d.clock), nil
		},
	}
}

// maxRows bounds the table: with a matrix a run has hundreds of stages.
const maxRows = 60

func status(f facts, pageURL string, clock pipeline.Clock) string {
	if len(f.runs) == 0 {
		return "There is no run for " + code(f.commit()) + "."
	}
	run, now := f.runs[0], clock.Now()
	stages := run.Current()
	var b strings.Builder
	fmt.Fprintf(&b, "[Run #%d](%s) of %s: **%s** (%s)", run.Number, runURL(pageURL, run), code(run.Trigger.SHA),
		display.Status(run.Status).Word, display.Tally(stages))
	if run.Reason != "" {
		b.WriteString(", " + code(run.Reason))
	}
	b.WriteString(".\n\n| | Stage | What it says | Time |\n| --- | --- | --- | ---: |\n")
	for i, s := range stages {
		if i == maxRows {
			fmt.Fprintf(&b, "\n… and %s on the run's page.\n", display.Count(len(stages)-i, "more stage"))
			break
		}
		face := display.Status(s.Status)
		took := ""
		if d := s.Duration(now); d > 0 {
			took = display.Duration(d)
		}
		fmt.Fprintf(&b, "| %s %s | %s | %s | %s |\n", face.Sign, face.Word, code(s.Spec.Key), code(display.Says(run, s)), took)
	}
	if heldStages(run) {
		b.WriteString("\nIt waits for somebody with write permission to look at the commit and to comment\n\n" + fenced(pipeline.WordFor(run.Trigger.SHA)))
	}
	return strings.TrimRight(b.String(), "\n")
}
