package chatops

import "fmt"

// Level is what somebody must be allowed to do in the repository to give a command.
type Level string

// GitHub's levels, as its permission look-up tells them: maintain is told as write, triage as read.
const (
	Read  Level = "read"
	Write Level = "write"
	// Deployers are those whom the environment names under `deployers`, else everybody with write permission; Approvers
	// those under `approvals.from`. Which environment it is stands in the command, so that its decision looks them up.
	Deployers Level = "deployers"
	Approvers Level = "approvers"
)

// asker is who gives a command, with what GitHub says of them now.
type asker struct {
	name       string
	permission string
	// unknown: the look-up failed.
	unknown bool
}

// authorise decides who may; the refusal is nil for those who may. What an event claims about its author is never asked,
// and a look-up that failed allows nothing.
func authorise(command Command, who asker, repository string) *Refusal {
	switch {
	case who.unknown:
		return &Refusal{
			Why: fmt.Sprintf("GitHub did not tell what %s may do in %s.", code(who.name), code(repository)),
			Do:  "Say it again in a moment.",
		}
	case command.Who != Write && (who.permission == "read" || who.permission == "write" || who.permission == "admin"):
		return nil
	case command.Who == Write && (who.permission == "write" || who.permission == "admin"):
		return nil
	default:
		return &Refusal{
			Why: fmt.Sprintf("It takes %s permission in %s, and %s has %s.", command.permission(), code(repository), code(who.name), permissionWord(who.permission)),
			Do:  fmt.Sprintf("Somebody with %s permission can say it.", command.permission()),
		}
	}
}

func permissionWord(permission string) string {
	if permission == "read" {
		return "read permission"
	}
	return "none"
}

// permission is the least that GitHub must tell of somebody.
func (c Command) permission() Level {
	if c.Who == Write {
		return Write
	}
	return Read
}
