package environment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Rules by which the gate decides; they are the Rule of a Missing.
const (
	RuleFork         = "fork"
	RuleBranches     = "branches"
	RulePullRequests = "pull-requests"
	RuleAutoDeploy   = "auto-deploy"
	RuleDeployers    = "deployers"
	RuleSigned       = "require-signed"
	RuleDestroy      = "allow-destroy"
	RuleMoved        = "moved"
	RuleRejected     = "rejected"
	RuleLock         = "lock"
	RuleRollback     = "rollback"
	RuleFreeze       = "freeze"
	RuleApprovals    = "approvals"
	RuleWait         = "wait-minutes"
	RuleTurn         = "turn"
	RuleUnknown      = "unknown"
)

// Person is somebody who wants something, with what is known of them at this moment.
type Person struct {
	Login string
	// Allowed: the rules let them.
	Allowed bool
	// Unknown: GitHub did not tell.
	Unknown bool
}

// Vote is an approval with what is known of its giver at this moment.
type Vote struct {
	Person

	Fingerprint string
}

// PullState is how a commit's pull request stands.
type PullState string

// The states; none: the commit came by a push.
const (
	PullNone   PullState = ""
	PullOpen   PullState = "open"
	PullMerged PullState = "merged"
	PullClosed PullState = "closed"
)

// Facts are all that a decision depends on besides the rules and the candidate.
type Facts struct {
	Now   time.Time
	RunID int64
	// Automatic: a push asked for it.
	Automatic bool
	// Asker is who asked for it last; nobody for a push.
	Asker *Person
	Fork  bool
	// Branch is the one by which the commit enters: pushed, or the base of its pull request.
	Branch string
	Pull   PullState
	// Verified: GitHub has checked the commit's signature. It is asked for only where the rules want it.
	Verified bool
	// Moved names what is not as it was when it was asked for or approved.
	Moved []string
	// Voided says which approvals do not count any more, because what they were for did not hold.
	Voided string
	// Self are those whose approval does not count, by login in lower case, with the reason.
	Self      map[string]string
	Votes     []Vote
	Rejection *pipeline.Rejection
	State     pipeline.EnvironmentState
	// PreparedAt is when the candidate was complete; the wait begins then.
	PreparedAt time.Time
}

// Decide says whether a candidate may enter an environment now, and if not, what is missing and who can give it. It is
// the only gate: pushes, comments, buttons, pages and retries all pass it.
func Decide(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts) Decision {
	if closed := refusals(rules, c, f); len(closed) > 0 {
		return Decision{Answer: Closed, Missing: closed}
	}
	d := Decision{Answer: Open, Required: required(rules, c)}
	d.Approvers = approvers(rules, c, f)
	d.Approved = len(d.Approvers)
	d.add(d.holdUnknown(f))
	d.add(holdLock(rules, f))
	d.add(holdRollback(rules, f))
	for _, m := range holdFreezes(rules, c, f) {
		d.add(m)
	}
	d.add(d.holdApprovals(rules, c, f))
	d.add(holdWait(rules, c, f))
	if d.Answer == Open {
		d.holdTurn(rules, f)
	}
	return d
}

// refusals are the reasons why it will not enter as it is; none of them goes away by waiting.
func refusals(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts) []pipeline.Missing {
	var all []pipeline.Missing
	refuse := func(rule, who, format string, args ...any) {
		all = append(all, pipeline.Missing{Rule: rule, Who: who, Why: sentence(format, args...)})
	}
	env := rules.Name
	if len(f.Moved) > 0 {
		refuse(RuleMoved, people(rules.Deployers), "It is not what was asked for any more: %s", movedList(f.Moved))
	}
	if f.Rejection != nil {
		refuse(RuleRejected, people(rules.Deployers), "%s rejected it%s", f.Rejection.By, because(f.Rejection.Reason))
	}
	for i := range all {
		all[i].Command = fmt.Sprintf("/%s %s", c.Action, env) // it can be asked for anew
	}
	if f.Fork && f.Pull != PullMerged {
		refuse(RuleFork, "whoever may merge the pull request", "Commits of a fork do not enter %s before they are merged.", env)
	}
	if !admits(rules, f.Branch) {
		refuse(RuleBranches, "whoever may change `branches` of "+env+" on the default branch",
			"Branch %s does not belong to the environment %s, which admits %s.", f.Branch, env, branchList(rules.Branches))
	}
	switch f.Pull {
	case PullClosed:
		refuse(RulePullRequests, "whoever may reopen the pull request", "The pull request was closed without being merged.")
	case PullOpen:
		if !rules.PullRequests {
			refuse(RulePullRequests, "whoever may merge the pull request", "%s admits merged commits only.", env)
		}
	case PullNone, PullMerged:
	}
	if f.Automatic && !rules.AutoDeploy {
		refuse(RuleAutoDeploy, "whoever may deploy to "+env, "%s does not deploy by itself.", env)
	}
	if f.Asker != nil && !f.Asker.Unknown && !f.Asker.Allowed {
		refuse(RuleDeployers, people(rules.Deployers), "%s may not deploy to %s.", f.Asker.Login, env)
	}
	if rules.RequireSigned && !f.Verified {
		refuse(RuleSigned, "the commit's author", "%s admits only commits with a signature that GitHub has verified.", env)
	}
	if c.Action == pipeline.ActionDestroy && !rules.AllowDestroy && protected(rules) {
		refuse(RuleDestroy, "whoever may change `allow-destroy` of "+env+" on the default branch",
			"%s is protected and must not be destroyed: it has branches or approvals, and neither it nor each of its terraform stages says `allow-destroy` on the default branch.", env)
	}
	return all
}

// admits reports whether a branch belongs to an environment. Patterns that nobody can match admit nothing.
func admits(rules pipeline.EnvironmentDefinition, branch string) bool {
	if rules.MatchBranch == nil {
		return len(rules.Branches) == 0
	}
	return rules.MatchBranch(branch)
}

// protected: somebody cared to guard it.
func protected(rules pipeline.EnvironmentDefinition) bool {
	return len(rules.Branches) > 0 || rules.Approvals.Required > 0
}

// askAgain is how soon GitHub is asked again what it did not tell. Whoever looks within the same span is told the same
// time, so that looks do not multiply.
const askAgain = 30 * time.Second

// holdUnknown: nothing is taken for allowed that GitHub does not tell. An approval whose giver is unknown only matters where
// it is missed.
func (d *Decision) holdUnknown(f Facts) *pipeline.Missing {
	unknown := f.Asker != nil && f.Asker.Unknown
	if d.Approved < d.Required {
		unknown = unknown || slices.ContainsFunc(f.Votes, func(v Vote) bool { return v.Unknown })
	}
	if !unknown {
		return nil
	}
	return &pipeline.Missing{
		Rule: RuleUnknown, Until: f.Now.Truncate(askAgain).Add(2 * askAgain),
		Why: "GitHub did not tell what the people involved may do; it is asked again in a moment.",
	}
}

func holdLock(rules pipeline.EnvironmentDefinition, f Facts) *pipeline.Missing {
	lock := f.State.Lock
	if lock == nil {
		return nil
	}
	return &pipeline.Missing{
		Rule: RuleLock, Who: people(rules.Deployers), Command: "/unlock " + rules.Name,
		Why: sentence("%s is locked by %s since %s%s", rules.Name, lock.By, clock(lock.At), because(lock.Reason)),
	}
}

func holdRollback(rules pipeline.EnvironmentDefinition, f Facts) *pipeline.Missing {
	hold := f.State.Hold
	if hold == nil || !f.Automatic {
		return nil
	}
	return &pipeline.Missing{
		Rule: RuleRollback, Who: people(rules.Deployers), Command: "/unlock " + rules.Name,
		Why: fmt.Sprintf("%s was rolled back by %s at %s: nothing is deployed there by itself until somebody says `/deploy %s` or `/unlock %s`.",
			rules.Name, hold.By, clock(hold.At), rules.Name, rules.Name),
	}
}

// holdFreezes: a rollback passes, since a broken environment must not wait for Monday.
func holdFreezes(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts) []*pipeline.Missing {
	if c.Action == pipeline.ActionRollback {
		return nil
	}
	var all []*pipeline.Missing
	for _, w := range rules.Freeze {
		closed, until, err := frozen(w, f.Now)
		m := &pipeline.Missing{Rule: RuleFreeze, Until: until}
		switch {
		case err != nil:
			m.Why = sentence("A freeze of %s cannot be read, so it counts as on: %v", rules.Name, err)
			m.Who = "whoever may change `freeze` of " + rules.Name + " on the default branch"
		case !closed:
			continue
		case until.IsZero():
			m.Why = sentence("%s is frozen without an end%s", rules.Name, because(w.Reason))
			m.Who = "whoever may change `freeze` of " + rules.Name + " on the default branch"
		default:
			m.Why = sentence("%s is frozen until %s%s", rules.Name, inZone(until, w.TimeZone), because(w.Reason))
		}
		all = append(all, m)
	}
	return all
}

// required is how many people must approve. That a rollback needs nobody does not hold for its infrastructure, which is a plan
// like any other.
func required(rules pipeline.EnvironmentDefinition, c pipeline.Candidate) int {
	n := rules.Approvals.Required
	switch c.Action {
	case pipeline.ActionRollback:
		if rules.RollbackWithoutApproval && !slices.ContainsFunc(c.Parts, func(p pipeline.Part) bool { return p.Kind == pipeline.PartPlan }) {
			n = 0
		}
	case pipeline.ActionDeploy, pipeline.ActionPlan, pipeline.ActionDestroy:
	}
	if c.ExtraApproval() != "" {
		n++
	}
	if c.Action == pipeline.ActionDestroy {
		n = max(n, 1) // never without
	}
	return n
}

// preventsSelf: nobody takes down what others may need on their own word alone, whatever the environment lets them do otherwise.
func preventsSelf(rules pipeline.EnvironmentDefinition, c pipeline.Candidate) bool {
	return rules.Approvals.PreventSelfApproval || c.Action == pipeline.ActionDestroy
}

// approvers are the different people whose approval of exactly this candidate counts.
func approvers(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts) []string {
	var counted []string
	fingerprint := c.Fingerprint()
	for _, v := range f.Votes {
		_, self := f.Self[strings.ToLower(v.Login)]
		switch {
		case !v.Allowed || v.Unknown || v.Login == "" || v.Fingerprint != fingerprint:
		case self && preventsSelf(rules, c):
		case slices.ContainsFunc(counted, func(login string) bool { return strings.EqualFold(login, v.Login) }):
		default:
			counted = append(counted, v.Login)
		}
	}
	return counted
}

func (d *Decision) holdApprovals(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts) *pipeline.Missing {
	if d.Approved >= d.Required {
		return nil
	}
	why := fmt.Sprintf("It needs %s, and has %d.", count(d.Required, "approval"), d.Approved)
	if extra := c.ExtraApproval(); extra != "" {
		why += sentence(" One of them because %s", strings.TrimPrefix(because(extra), ": "))
	}
	if f.Voided != "" {
		why += " " + f.Voided
	}
	if len(f.Self) > 0 && preventsSelf(rules, c) {
		why += " " + selfList(f.Self)
	}
	return &pipeline.Missing{
		Rule: RuleApprovals, Why: why, Who: people(rules.Approvals.From), Command: "/approve " + rules.Name,
	}
}

func holdWait(rules pipeline.EnvironmentDefinition, c pipeline.Candidate, f Facts) *pipeline.Missing {
	if rules.WaitMinutes == 0 || c.Action == pipeline.ActionRollback {
		return nil
	}
	from := f.PreparedAt
	if from.IsZero() {
		from = f.Now
	}
	until := from.Add(time.Duration(rules.WaitMinutes) * time.Minute)
	if !until.After(f.Now) {
		return nil
	}
	return &pipeline.Missing{
		Rule: RuleWait, Until: until,
		Why: fmt.Sprintf("%s lets a deploy wait %s before it starts: until %s.", rules.Name, count(rules.WaitMinutes, "minute"), clock(until)),
	}
}

// goesOn ends what a run is told that waits for its turn.
const goesOn = " It goes on by itself."

// holdTurn lets one run into an environment at a time, first come first.
func (d *Decision) holdTurn(rules pipeline.EnvironmentDefinition, f Facts) {
	holder := f.State.Holder
	if holder != nil && holder.RunID == f.RunID {
		return
	}
	ahead := f.State.Queue
	if i := slices.IndexFunc(ahead, func(p pipeline.Place) bool { return p.RunID == f.RunID }); i >= 0 {
		ahead = ahead[:i]
	}
	var why string
	switch {
	case holder != nil:
		why = fmt.Sprintf("Run #%d is in %s", holder.RunNumber, rules.Name)
	case len(ahead) > 0:
		why = fmt.Sprintf("Run #%d enters %s first", ahead[0].RunNumber, rules.Name)
		ahead = ahead[1:]
	default:
		return
	}
	d.Ahead = 1 + len(ahead)
	switch len(ahead) {
	case 0:
	case 1:
		why += ", and 1 more run comes before this one"
	default:
		why += fmt.Sprintf(", and %d more runs come before this one", len(ahead))
	}
	d.add(&pipeline.Missing{Rule: RuleTurn, Why: why + "." + goesOn})
}
