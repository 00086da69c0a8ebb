package environment

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// listed reports whether a list of logins and teams holds somebody; an empty list is everybody who may write.
func (k *Keeper) listed(ctx context.Context, repo pipeline.Repository, list []string, login string) (bool, error) {
	if login == "" {
		return false, nil
	}
	if len(list) == 0 {
		permission, err := k.people.Permission(ctx, repo, login)
		if err != nil {
			return false, fmt.Errorf("permission of %s in %s: %w", login, repo.FullName(), err)
		}
		return permission == "admin" || permission == "write", nil
	}
	// Who is named needs no look-up, which may fail.
	if slices.ContainsFunc(list, func(one string) bool { return strings.EqualFold(strings.TrimPrefix(one, "@"), login) }) {
		return true, nil
	}
	for _, one := range list {
		organisation, team, isTeam := strings.Cut(strings.TrimPrefix(one, "@"), "/")
		if !isTeam {
			continue
		}
		member, err := k.people.TeamMember(ctx, repo, organisation, team, login)
		if err != nil {
			return false, fmt.Errorf("is %s in %s: %w", login, one, err)
		}
		if member {
			return true, nil
		}
	}
	return false, nil
}

// person looks somebody up. What GitHub does not tell is unknown, which lets nobody do anything.
func (k *Keeper) person(ctx context.Context, repo pipeline.Repository, list []string, login string) (Person, error) {
	allowed, err := k.listed(ctx, repo, list, login)
	if ctx.Err() != nil {
		return Person{}, context.Cause(ctx)
	}
	if err != nil {
		k.log.Warn().Err(err).Str("user", login).Msg("what somebody may do is unknown: nothing is allowed for it")
		return Person{Login: login, Unknown: true}, nil
	}
	return Person{Login: login, Allowed: allowed}, nil
}

// MayDeploy reports whether somebody may deploy to an environment, lock it and roll it back.
func (k *Keeper) MayDeploy(ctx context.Context, repo pipeline.Repository, rules pipeline.EnvironmentDefinition, login string) (Person, error) {
	return k.person(ctx, repo, rules.Deployers, login)
}

// MayApprove reports whether somebody is among those whose approval an environment asks for.
func (k *Keeper) MayApprove(ctx context.Context, repo pipeline.Repository, rules pipeline.EnvironmentDefinition, login string) (Person, error) {
	return k.person(ctx, repo, rules.Approvals.From, login)
}

// webFlow is GitHub itself, which commits what people do on its pages.
const webFlow = "web-flow"

// self are those whose approval of a run's candidate does not count: whoever asked, wrote, opened or pushed it.
func (k *Keeper) self(ctx context.Context, t pipeline.Trigger, askers []string, pull Pull) (map[string]string, error) {
	self := make(map[string]string)
	note := func(login, why string) {
		login = strings.ToLower(login)
		if _, known := self[login]; !known && login != "" && login != webFlow {
			self[login] = why
		}
	}
	for _, asker := range askers {
		note(asker, "asked for it")
	}
	commit, err := k.forge.CommitOf(ctx, t.Repository, t.SHA)
	if err != nil {
		return nil, fmt.Errorf("who made %s: %w", t.SHA, err)
	}
	for _, author := range commit.Authors {
		note(author, "wrote the commit")
	}
	note(pull.Author, "opened the pull request")
	pushers, err := k.pushers(ctx, t)
	for _, login := range pushers {
		note(login, "pushed it last")
	}
	return self, err
}

// pushers are those who pushed a run's commit to the branch by which it enters, or to its pull request. Who only made
// another branch of it has no part in that.
func (k *Keeper) pushers(ctx context.Context, t pipeline.Trigger) ([]string, error) {
	refs := []string{t.Ref, "refs/heads/" + t.Branch}
	if t.PullRequest > 0 {
		refs = append(refs, fmt.Sprintf("refs/pull/%d/head", t.PullRequest))
	}
	pushes, err := k.store.Pushes(ctx, t.Repository.ID, t.SHA)
	if err != nil {
		return nil, fmt.Errorf("who pushed %s: %w", t.SHA, err)
	}
	var found []string
	for _, p := range pushes {
		if p.By != "" && slices.Contains(refs, p.Ref) {
			found = append(found, p.By)
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	runs, err := k.store.Runs(ctx, pipeline.RunFilter{RepositoryID: t.Repository.ID, SHA: t.SHA})
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", t.SHA, err)
	}
	for _, run := range runs {
		if run.Trigger.Deploy == nil && slices.Contains(refs, run.Trigger.Ref) {
			found = append(found, run.Trigger.Actor)
		}
	}
	return found, nil
}
