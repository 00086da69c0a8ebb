package chatops

import (
	"context"
	"fmt"
	"strings"
)

func helpCommand() Command {
	return Command{
		Name: "help", Does: "Lists the commands, and who may give them.", Who: Read, Closed: true,
		Examples: []Example{{"/help", "Answers with the list."}},
		decide:   func(facts, string) (order, *Refusal) { return order{}, nil },
		do:       func(context.Context, *Desk, facts, order) (string, error) { return help(), nil },
	}
}

// help is the reply: what docs/commands.md tells at length.
func help() string {
	var b strings.Builder
	b.WriteString("| Command | What it does | Who may |\n| --- | --- | --- |\n")
	for _, c := range Commands() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", code(c.Usage()), c.Does, whoMay(c.Who))
	}
	b.WriteString("\n" + grammar)
	return b.String()
}

const grammar = "One command a line, at the very start of the line, outside of code and quotes. Commands count when a comment is new, not when it is edited."

func whoMay(l Level) string {
	switch l {
	case Write:
		return "write permission"
	case Deployers:
		return "the environment's `deployers`, else write permission"
	case Approvers:
		return "the environment's `approvals.from`, else write permission"
	default:
		return "everybody who may read the repository"
	}
}

// Reference is docs/commands.md.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Commands\n\n")
	b.WriteString("Comment them on a pull request. " + grammar + "\n\n" + signs + "\n")
	for _, c := range Commands() {
		fmt.Fprintf(&b, "\n## `%s`\n\n%s", c.Usage(), c.Does)
		if c.More != "" {
			b.WriteString(" " + c.More)
		}
		fmt.Fprintf(&b, "\n\nWho may: %s.", whoMay(c.Who))
		if c.Closed {
			b.WriteString(" Also on a closed pull request.")
		}
		b.WriteString("\n\n| Example | What it does |\n| --- | --- |\n")
		for _, e := range c.Examples {
			fmt.Fprintf(&b, "| `%s` | %s |\n", e.Line, e.Does)
		}
	}
	return b.String()
}

const signs = `Slipway answers with signs on the comment:

| Sign | Meaning |
| --- | --- |
| 👀 | it is being carried out |
| 🚀 | it is done; a deploy, a rollback or a destroy has succeeded |
| 😕 | it could not be done, or has failed; a reply says why |
| 👎 | it is refused; a reply names the rule and who can satisfy it |

What somebody may do is asked of GitHub when the command is carried out; when GitHub does not tell, the command is refused.
A word that is nearly one of these commands gets the command suggested; everything else is left to others.`
