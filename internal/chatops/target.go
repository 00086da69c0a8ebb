package chatops

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

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
		t.SHA, t.Ref = f.pull.Head, pullRef(f.number)
		t.Branch, t.Base, t.BaseSHA = f.pull.Branch, f.pull.Base, f.pull.BaseSHA
	case f.pull.Merged:
		t.SHA, t.Ref, t.Branch = f.pull.Merge, "refs/heads/"+f.pull.Base, f.pull.Base
	default:
		return t, &Refusal{Why: "The pull request was closed without being merged: nothing of it can be deployed.", Do: "Reopen it, or say it on another pull request."}
	}
	return t, nil
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
	if err != nil {
		return t, nil, err
	}
	t.SHA, t.Branch, t.Ref = sha, branch, "refs/heads/"+branch
	no, err := d.unproven(ctx, f, sha, t.Ref)
	return t, no, err
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
