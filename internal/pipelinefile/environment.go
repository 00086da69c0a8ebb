package pipelinefile

import (
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func (d *decoder) environments(list entries[environment], organisation bool) []pipeline.EnvironmentDefinition {
	definitions := make([]pipeline.EnvironmentDefinition, 0, len(list))
	names := make(map[string]string, len(list))
	for _, e := range list {
		at := path("environments").key(e.Key)
		if other, taken := names[strings.ToLower(e.Key)]; taken && other != e.Key {
			d.keyProblemf(at, "differs from %s only in case, and GitHub takes them for one: rename one of them", clip(other))
		}
		names[strings.ToLower(e.Key)] = e.Key
		d.onlyExclusions(e.Value.Branches, at.key("branches"))
		definition := d.environment(e, at)
		if organisation {
			d.loosen(&definition, at)
		}
		definitions = append(definitions, definition)
	}
	return definitions
}

func (d *decoder) environment(e entry[environment], at path) pipeline.EnvironmentDefinition {
	v := e.Value
	definition := pipeline.EnvironmentDefinition{
		Name: e.Key, Branches: v.Branches, MatchBranch: branchMatcher(v.Branches), PullRequests: v.PullRequests,
		Cluster: d.cluster(v.Cluster, at.key("cluster")), URL: v.URL, Deployers: v.Deployers, WaitMinutes: v.WaitMinutes,
		Secrets: v.Secrets, AutoDeploy: v.AutoDeploy, AllowDestroy: v.AllowDestroy,
		RollbackWithoutApproval: v.RollbackWithoutApproval,
		Approvals: pipeline.ApprovalRule{
			Required: v.Approvals.Required, From: v.Approvals.From, PreventSelfApproval: v.Approvals.PreventSelfApproval,
		},
	}
	if d.has(at.key("approvals")) && !d.has(at.key("approvals").key("required")) {
		// Whoever writes approvals wants somebody to approve.
		definition.Approvals.Required = 1
	}
	if len(v.Branches) == 0 && !d.has(at.key("auto-deploy")) {
		// No branch is named, so no push may deploy by itself.
		definition.AutoDeploy = false
	}
	if v.AWS != nil {
		definition.AWS = &pipeline.AWSDefinition{Region: v.AWS.Region, Role: v.AWS.Role, PlanRole: v.AWS.PlanRole}
	}
	if v.RequireSigned != nil {
		definition.RequireSigned = v.RequireSigned.Commits
		if v.RequireSigned.Images {
			definition.ImageKey = v.RequireSigned.Key
		}
	}
	if v.Drift != nil {
		definition.Drift = &pipeline.DriftSchedule{Schedule: v.Drift.Schedule, TimeZone: v.Drift.TimeZone}
	}
	for _, f := range v.Freeze {
		definition.Freeze = append(definition.Freeze, pipeline.FreezeWindow{From: f.From, To: f.To, TimeZone: f.TimeZone, Reason: f.Reason})
	}
	return definition
}

func (d *decoder) cluster(c *cluster, at path) *pipeline.ClusterDefinition {
	if c == nil {
		return nil
	}
	eks, kubeconfig := d.has(at.key("eks")), d.has(at.key("kubeconfig"))
	switch {
	case eks && kubeconfig:
		d.keyProblemf(at, "has both eks and kubeconfig: keep one of them")
	case !eks && !kubeconfig && d.has(at):
		d.keyProblemf(at, "says neither eks nor kubeconfig: name an EKS cluster, or the secret that holds a kubeconfig")
	}
	definition := &pipeline.ClusterDefinition{Kubeconfig: c.Kubeconfig}
	if c.EKS != nil {
		definition.EKS = &pipeline.EKSCluster{Name: c.EKS.Name, Region: c.EKS.Region}
	}
	return definition
}

// loosen sets the rules an organisation does not state to what restricts nothing.
func (d *decoder) loosen(e *pipeline.EnvironmentDefinition, at path) {
	for key, rule := range map[string]*bool{
		"auto-deploy": &e.AutoDeploy, "pull-requests": &e.PullRequests,
		"allow-destroy": &e.AllowDestroy, "rollback-without-approval": &e.RollbackWithoutApproval,
	} {
		if !d.has(at.key(key)) {
			*rule = true
		}
	}
}
