package handlers

import (
	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// repository translates the repository of an event; push events have a type of their own in go-github.
func repository(r *github.Repository, installationID int64) pipeline.Repository {
	return pipeline.Repository{
		ID: r.GetID(), Owner: r.GetOwner().GetLogin(), Name: r.GetName(), DefaultBranch: r.GetDefaultBranch(),
		InstallationID: installationID, Private: r.GetPrivate(), CloneURL: r.GetCloneURL(),
	}
}

func pushRepository(r *github.PushEventRepository, installationID int64) pipeline.Repository {
	owner := r.GetOwner().GetLogin()
	if owner == "" {
		owner = r.GetOwner().GetName() // pushes name the owner so
	}
	return pipeline.Repository{
		ID: r.GetID(), Owner: owner, Name: r.GetName(), DefaultBranch: r.GetDefaultBranch(),
		InstallationID: installationID, Private: r.GetPrivate(), CloneURL: r.GetCloneURL(),
	}
}
