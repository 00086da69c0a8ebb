package chatops

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// NotYetError says that a comment has to be taken again a little later: what it is about has not arrived.
type NotYetError struct {
	What  string
	After time.Duration
}

func (e *NotYetError) Error() string { return e.What + ": not yet" }

// target is the commit that a command is about: the head of an open pull request, the merge commit of a merged one.
func (f facts) target() (pipeline.Trigger, *Refusal) {
	t := pipeline.Trigger{
		Event: pipeline.EventDeploy, Repository: f.repository, PullRequest: f.number, Labels: f.pull.Labels, Actor: f.asker.name,
		Title: f.pull.Title, Delivery: f.word.Cause,
	}
	switch {
	case f.pull.Open && f.pull.Fork:
		return t, &Refusal{Why: "Commits of a fork do not enter an environment before they are merged.", Do: "Whoever may merge the pull request can do so."}
	case f.pull.Open:
		t.SHA, t.Ref = f.pull.Head, fmt.Sprintf("refs/pull/%d/head", f.number)
		t.Branch, t.Base, t.BaseSHA = f.pull.Branch, f.pull.Base, f.pull.BaseSHA
	case f.pull.Merged:
		t.SHA, t.Ref, t.Branch = f.pull.Merge, "refs/heads/"+f.pull.Base, f.pull.Base
	default:
		return t, &Refusal{Why: "The pull request was closed without being merged: nothing of it can be deployed.", Do: "Reopen it, or say it on another pull request."}
	}
	return t, nil
}

// patience is how long a comment waits for the event that tells who pushed the head, and pace how often it looks.
const (
	patience = 10 * time.Second
	pace     = 2 * time.Second
)

// unproven refuses a head of which it is not known that it was there when the comment was written: whoever wrote it may
// have looked at another commit. A comment carries no commit of its own.
func (d *Desk) unproven(ctx context.Context, f facts) (*Refusal, error) {
	pushes, err := d.ledger.Pushes(ctx, f.repository.ID, f.pull.Head)
	if err != nil {
		return nil, fmt.Errorf("pushes of %s: %w", f.pull.Head, err)
	}
	known := len(pushes) > 0
	for _, p := range pushes {
		if !p.At.After(f.comment.CreatedAt) {
			return nil, nil //nolint:nilnil // it was there
		}
	}
	for _, run := range f.runs {
		at := run.Trigger.At
		if at.IsZero() {
			at = run.CreatedAt
		}
		if run.Trigger.Event == pipeline.EventPullRequest && !at.After(f.comment.CreatedAt) {
			return nil, nil //nolint:nilnil // as above
		}
		known = known || run.Trigger.Event == pipeline.EventPullRequest
	}
	if known {
		return d.pushedAfter(ctx, f)
	}
	if d.clock.Now().Sub(f.comment.ReceivedAt) < patience {
		return nil, &NotYetError{What: "the push of " + f.pull.Head, After: pace}
	}
	// From now on it is known to be there.
	if err := d.ledger.SavePush(ctx, pipeline.PushRecord{
		RepositoryID: f.repository.ID, SHA: f.pull.Head, Ref: fmt.Sprintf("refs/pull/%d/head", f.number), At: d.clock.Now(),
	}); err != nil {
		return nil, fmt.Errorf("note the head %s: %w", f.pull.Head, err)
	}
	return &Refusal{
		Why: fmt.Sprintf("Slipway sees the head %s for the first time, and cannot tell whether it was pushed before or after your comment.", code(f.pull.Head)),
		Do:  "Look at it, and say it again.",
	}, nil
}

// pushedAfter names the head that the author of a comment saw, where it is known, and the one that is there now.
func (d *Desk) pushedAfter(ctx context.Context, f facts) (*Refusal, error) {
	pushes, err := d.ledger.PushesTo(ctx, f.repository.ID, fmt.Sprintf("refs/pull/%d/head", f.number), 50)
	if err != nil {
		return nil, fmt.Errorf("pushes to pull request #%d: %w", f.number, err)
	}
	if f.pull.Branch != "" {
		more, err := d.ledger.PushesTo(ctx, f.repository.ID, "refs/heads/"+f.pull.Branch, 50)
		if err != nil {
			return nil, fmt.Errorf("pushes to %s: %w", f.pull.Branch, err)
		}
		pushes = append(pushes, more...)
	}
	seen := ""
	var at time.Time
	for _, p := range pushes {
		if p.SHA == f.pull.Head && seen == "" {
			seen = p.Before
		}
		if !p.At.After(f.comment.CreatedAt) && p.At.After(at) {
			seen, at = p.SHA, p.At
		}
	}
	was := "another commit"
	if seen != "" {
		was = code(seen)
	}
	return &Refusal{
		Why: fmt.Sprintf("The head was %s when the comment was written, and is %s now: it was pushed since.", was, code(f.pull.Head)),
		Do:  "Look at what was pushed, and say it again.",
	}, nil
}

var fullSHA = regexp.MustCompile(`^[0-9a-f]{40}$`)

// namedCommit is the target that --ref names: a branch's head, or a commit in full that a branch of the repository holds.
func (d *Desk) namedCommit(ctx context.Context, f facts, t pipeline.Trigger, ref string) (pipeline.Trigger, *Refusal, error) {
	branch := strings.TrimPrefix(ref, "refs/heads/")
	t.Base, t.BaseSHA, t.Labels = "", "", nil
	if sha := strings.ToLower(ref); fullSHA.MatchString(sha) {
		holder, err := d.holder(ctx, f, sha)
		if err != nil || holder == "" {
			return t, &Refusal{
				Why: fmt.Sprintf("No branch that may enter %s holds the commit %s.", code(f.env.rules.Name), code(sha)),
				Do:  "Name a commit of the repository's own that is on such a branch.",
			}, err
		}
		t.SHA, t.Branch, t.Ref = sha, holder, "refs/heads/"+holder
		return t, nil, nil
	}
	sha, err := d.github.BranchHead(ctx, f.repository, branch)
	if errors.Is(err, pipeline.ErrNotFound) {
		return t, &Refusal{
			Why: fmt.Sprintf("There is no branch %s.", code(ref)), Do: "`--ref` takes a branch, or a commit in full (40 digits).",
		}, nil
	}
	t.SHA, t.Branch, t.Ref = sha, branch, "refs/heads/"+branch
	return t, nil, err
}

// holder is a branch that holds a commit and may enter the environment; empty: there is none.
func (d *Desk) holder(ctx context.Context, f facts, sha string) (string, error) {
	candidates := []string{f.repository.DefaultBranch, f.pull.Base}
	for _, pattern := range f.env.rules.Branches {
		if !strings.ContainsAny(pattern, "*?+[!\\") {
			candidates = append(candidates, pattern)
		}
	}
	var asked []string
	for _, branch := range candidates {
		if branch == "" || slices.Contains(asked, branch) || !f.env.rules.MatchBranch(branch) {
			continue
		}
		asked = append(asked, branch)
		held, err := d.github.Contains(ctx, f.repository, branch, sha)
		if err != nil {
			return "", err
		}
		if held {
			return branch, nil
		}
	}
	return "", nil
}

// takeFlag takes `--name value` or `--name=value` out of the words of a command. given: it is there.
func takeFlag(words []string, name string) (value string, given bool, rest []string) {
	for i, w := range words {
		if v, ok := strings.CutPrefix(w, "--"+name+"="); ok {
			return v, true, slices.Concat(words[:i], words[i+1:])
		}
		if w == "--"+name {
			if i+1 == len(words) {
				return "", true, words[:i]
			}
			return words[i+1], true, slices.Concat(words[:i], words[i+2:])
		}
	}
	return "", false, words
}

// toggle takes `--name` out of the words of a command.
func toggle(words []string, name string) (given bool, rest []string) {
	i := slices.Index(words, "--"+name)
	if i < 0 {
		return false, words
	}
	return true, slices.Concat(words[:i], words[i+1:])
}

// oneWord refuses more than one word, and flags that the command does not know.
func oneWord(words []string, usage string) (string, *Refusal) {
	for _, w := range words {
		if strings.HasPrefix(w, "--") {
			return "", &Refusal{Why: fmt.Sprintf("It knows no %s.", code(w)), Do: "Write " + code(usage) + "."}
		}
	}
	switch len(words) {
	case 0:
		return "", nil
	case 1:
		return words[0], nil
	default:
		return "", &Refusal{Why: fmt.Sprintf("It does not know what %s is.", code(strings.Join(words[1:], " "))), Do: "Write " + code(usage) + "."}
	}
}
