package chatops

import (
	"context"
	"strings"

	"github.com/slipwayhq/slipway/internal/environment"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Command is one thing that a comment can ask for. To decide is pure; to do can be repeated.
type Command struct {
	Name string
	// Args shows what follows the name: "[stage]"; empty: nothing does.
	Args string
	// Does says in one sentence what it does.
	Does string
	// More is what the reference says besides.
	More string
	Who  Level
	// Closed: it can be given on a pull request that is closed, too.
	Closed   bool
	Examples []Example

	// gather finds out what the decision depends on besides the pull request and its runs; nil: nothing.
	gather func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error)
	// decide finds what the command is about, or why it cannot be carried out.
	decide func(f facts, args string) (order, *Refusal)
	// do carries it out on what was decided and returns what there is to say; often nothing.
	do func(ctx context.Context, d *Desk, f facts, o order) (string, error)
	// Lasts: it is done when what it began has ended, which is shown then.
	lasts bool
}

// order is what was decided: everything that carrying it out needs, kept before anything is done.
type order struct {
	// Targets are runs or stage attempts.
	Targets     []int64 `json:"targets,omitempty"`
	Environment string  `json:"environment,omitempty"`
	// Candidate is the fingerprint of what is approved.
	Candidate string            `json:"candidate,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Trigger   *pipeline.Trigger `json:"trigger,omitempty"`
	// Said is what to answer, where that was known when it was decided.
	Said string `json:"said,omitempty"`
}

// Example is a line as one writes it, with what it does.
type Example struct{ Line, Does string }

// Usage is how the command is written.
func (c Command) Usage() string { return strings.TrimSpace("/" + c.Name + " " + c.Args) }

// Refusal says why a command is not carried out and what helps. Both are Markdown, with everything foreign made harmless.
type Refusal struct{ Why, Do string }

// facts are all that a decision depends on.
type facts struct {
	repository pipeline.Repository
	number     int
	pull       Pull
	asker      asker
	// runs are those of the pull request at its head, newest first.
	runs []pipeline.Run
	// open are its runs that have not ended, whatever their commit.
	open []pipeline.Run
	// word is how whatever is done is recorded.
	word environment.Word
	// comment is the one that holds the command.
	comment Comment
	// environments are those of the default branch; env is the one that the command is about.
	environments []pipeline.EnvironmentDefinition
	env          place
	// waiting are what waits for the pull request's commits.
	waiting []waiting
	// mayDeploy holds, by environment, whether the asker may deploy to it.
	mayDeploy map[string]bool
}

// Commands are all there are, in the order of /help.
func Commands() []Command {
	return []Command{
		deployCommand(), planCommand(), approveCommand(), rejectCommand(), rollbackCommand(), destroyCommand(), retryCommand(),
		cancelCommand(), lockCommand(), unlockCommand(), releasesCommand(), statusCommand(), whyCommand(), okToTestCommand(),
		helpCommand(),
	}
}

func find(name string) (Command, bool) {
	for _, c := range Commands() {
		if c.Name == name {
			return c, true
		}
	}
	return Command{}, false
}

// nothingAfter refuses what follows a command that takes nothing.
func nothingAfter(c Command, args string) *Refusal {
	if args == "" || c.Args != "" {
		return nil
	}
	return &Refusal{Why: "Nothing can follow it on its line.", Do: "Write " + code(c.Usage()) + " alone on a line."}
}
