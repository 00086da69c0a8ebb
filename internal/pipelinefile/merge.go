package pipelinefile

import (
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Merge puts a repository's definition under the rules of its organisation: of environments with the same name the
// stricter value of each rule wins, key by key; what is no rule (cluster, roles, address, secrets) is the repository's
// where it says something, else the organisation's. A repository without stages gets the organisation's whole
// definition. Environments only the organisation has do not reach a repository that has stages of its own: it adopts
// one by naming it under environments.
func Merge(org, repo pipeline.Definition) pipeline.Definition {
	if len(repo.Stages) == 0 {
		merged := org
		merged.Environments = make([]pipeline.EnvironmentDefinition, len(org.Environments))
		for i, e := range org.Environments {
			merged.Environments[i] = mergeEnvironment(e, defaultEnvironment(e))
			merged.Environments[i].DestroyingStages = e.DestroyingStages // of the same file as the stages
		}
		return merged
	}
	merged := repo
	merged.Environments = make([]pipeline.EnvironmentDefinition, len(repo.Environments))
	for i, e := range repo.Environments {
		merged.Environments[i] = e
		for _, rule := range org.Environments {
			if rule.Name == e.Name {
				merged.Environments[i] = mergeEnvironment(rule, e)
			}
		}
	}
	if merged.Notify.Slack == nil {
		merged.Notify.Slack = org.Notify.Slack
	}
	if merged.Notify.Email == nil {
		merged.Notify.Email = org.Notify.Email
	}
	return merged
}

// defaultEnvironment is what a repository would get by naming the environment and saying nothing about it.
func defaultEnvironment(e pipeline.EnvironmentDefinition) pipeline.EnvironmentDefinition {
	return pipeline.EnvironmentDefinition{
		Name: e.Name, MatchBranch: branchMatcher(nil), PullRequests: true, AutoDeploy: len(e.Branches) > 0,
	}
}

func mergeEnvironment(org, repo pipeline.EnvironmentDefinition) pipeline.EnvironmentDefinition {
	merged := repo
	merged.Branches, merged.MatchBranch = mergeBranches(org, repo)
	merged.PullRequests = org.PullRequests && repo.PullRequests
	merged.AutoDeploy = org.AutoDeploy && repo.AutoDeploy
	merged.AllowDestroy = org.AllowDestroy && repo.AllowDestroy
	if !org.AllowDestroy {
		merged.DestroyingStages = nil
	}
	merged.RollbackWithoutApproval = org.RollbackWithoutApproval && repo.RollbackWithoutApproval
	merged.RequireSigned = org.RequireSigned || repo.RequireSigned
	if org.ImageKey != "" {
		// Whose signature counts is the organisation's to say, or a repository could sign for itself.
		merged.ImageKey = org.ImageKey
	}
	merged.WaitMinutes = max(org.WaitMinutes, repo.WaitMinutes)
	merged.Approvals = pipeline.ApprovalRule{
		Required:            max(org.Approvals.Required, repo.Approvals.Required),
		From:                stricterPeople(org.Approvals.From, repo.Approvals.From),
		PreventSelfApproval: org.Approvals.PreventSelfApproval || repo.Approvals.PreventSelfApproval,
	}
	merged.Deployers = stricterPeople(org.Deployers, repo.Deployers)
	merged.Freeze = slices.Concat(org.Freeze, repo.Freeze)
	if len(repo.Secrets) == 0 {
		merged.Secrets = org.Secrets
	}
	if merged.URL == "" {
		merged.URL = org.URL
	}
	if merged.Cluster == nil {
		merged.Cluster = org.Cluster
	}
	merged.AWS = mergeAWS(org.AWS, repo.AWS)
	if merged.Drift == nil {
		merged.Drift = org.Drift
	}
	return merged
}

// mergeBranches admits what both admit. The list for people keeps the repository's patterns, less those names the
// organisation does not admit.
func mergeBranches(org, repo pipeline.EnvironmentDefinition) ([]string, func(string) bool) {
	switch {
	case len(org.Branches) == 0:
		return repo.Branches, repo.MatchBranch
	case len(repo.Branches) == 0:
		return org.Branches, org.MatchBranch
	}
	both := func(branch string) bool { return org.MatchBranch(branch) && repo.MatchBranch(branch) }
	var kept []string
	for _, pattern := range repo.Branches {
		if !plainBranch(pattern) || org.MatchBranch(pattern) {
			kept = append(kept, pattern)
		}
	}
	if len(kept) == 0 {
		// An empty list would read as "every branch".
		kept = []string{"!**"}
	}
	return kept, both
}

func plainBranch(pattern string) bool {
	for _, r := range pattern {
		switch r {
		case '*', '?', '+', '[', '\\', '!':
			return false
		}
	}
	return true
}

// stricterPeople: who may do something, where both lists must agree. Teams cannot be compared without asking GitHub, so
// the repository's list counts only as far as it repeats the organisation's.
func stricterPeople(org, repo []string) []string {
	if len(org) == 0 {
		return repo
	}
	var both []string
	for _, person := range repo {
		if slices.Contains(org, person) {
			both = append(both, person)
		}
	}
	if len(both) == 0 {
		return org
	}
	return both
}

func mergeAWS(org, repo *pipeline.AWSDefinition) *pipeline.AWSDefinition {
	switch {
	case org == nil:
		return repo
	case repo == nil:
		return org
	}
	merged := *repo
	if merged.Region == "" {
		merged.Region = org.Region
	}
	if merged.Role == "" {
		merged.Role = org.Role
	}
	if merged.PlanRole == "" {
		merged.PlanRole = org.PlanRole
	}
	return &merged
}
