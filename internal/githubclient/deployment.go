package githubclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// NewDeployment is a deployment as it is created: https://docs.github.com/rest/deployments/deployments
type NewDeployment struct {
	// SHA is the commit in full; a branch might move, and GitHub might merge into it.
	SHA         string
	Environment string
	// Task is what is done: "deploy", "rollback".
	Task string
	// Description has at most 140 characters.
	Description string
	// Production: GitHub shows the environment as one that end users meet.
	Production bool
	// Payload is any JSON; it tells this deployment from others of the commit.
	Payload any
}

// DeploymentStatus is a step of a deployment: https://docs.github.com/rest/deployments/statuses
type DeploymentStatus struct {
	// State is error, failure, inactive, in_progress, queued, pending or success.
	State string
	// Description has at most 140 characters.
	Description string
	// LogURL and EnvironmentURL may be empty.
	LogURL, EnvironmentURL string
}

// ErrMergedInstead says that GitHub merged branches when asked for a deployment, and made none.
var ErrMergedInstead = errors.New("GitHub merged the default branch into the ref instead of making a deployment")

// CreateDeployment makes a deployment of exactly one commit: nothing is merged into it, and its checks are not asked for,
// since ours are among them.
func (p *Pool) CreateDeployment(ctx context.Context, repository pipeline.Repository, d NewDeployment) (id int64, err error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return 0, err
	}
	created, _, err := client.Repositories.CreateDeployment(ctx, repository.Owner, repository.Name, &github.DeploymentRequest{
		Ref: &d.SHA, Task: &d.Task, AutoMerge: new(false), RequiredContexts: &[]string{}, Payload: d.Payload,
		Environment: &d.Environment, Description: &d.Description, TransientEnvironment: new(false), ProductionEnvironment: &d.Production,
	})
	if _, merged := errors.AsType[*github.AcceptedError](err); merged {
		return 0, fmt.Errorf("deployment of %s to %s: %w", d.SHA, d.Environment, ErrMergedInstead)
	}
	if err != nil {
		return 0, wrap(err, "create a deployment of %s to %s in %s", d.SHA, d.Environment, repository.FullName())
	}
	return created.GetID(), nil
}

// FindDeployment looks for a deployment of a commit that the App has made, by its payload; 0: there is none.
func (p *Pool) FindDeployment(
	ctx context.Context, repository pipeline.Repository, sha, environment string, ours func(payload json.RawMessage) bool,
) (id int64, err error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return 0, err
	}
	found, err := paged(func(page github.ListOptions) ([]madeDeployment, *github.Response, error) {
		path := fmt.Sprintf("repos/%s/%s/deployments?sha=%s&environment=%s&per_page=%d&page=%d", repository.Owner, repository.Name,
			url.QueryEscape(sha), url.QueryEscape(environment), page.PerPage, max(page.Page, 1))
		req, err := client.NewRequest(http.MethodGet, path, nil)
		if err != nil {
			return nil, nil, err
		}
		var list []madeDeployment
		resp, err := client.Do(withCaching(ctx, cacheNever), req, &list)
		return list, resp, wrap(err, "list the deployments of %s in %s", sha, repository.FullName())
	})
	if err != nil {
		return 0, err
	}
	for _, d := range found {
		if d.App != nil && d.App.ID == p.config.AppID && ours(unquoted(d.Payload)) {
			return d.ID, nil
		}
	}
	return 0, nil
}

// madeDeployment has what go-github's type lacks: the App that made it.
type madeDeployment struct {
	ID      int64           `json:"id"`
	Payload json.RawMessage `json:"payload"`
	App     *struct {
		ID int64 `json:"id"`
	} `json:"performed_via_github_app"`
}

// unquoted is the payload of a deployment, which GitHub gives back as it came or as a string of JSON.
func unquoted(payload json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(payload, &text) == nil {
		return json.RawMessage(text)
	}
	return payload
}

// AddDeploymentStatus tells how far a deployment is. Earlier deployments of the environment stay as they are: GitHub would
// make inactive only those that are not of production.
func (p *Pool) AddDeploymentStatus(ctx context.Context, repository pipeline.Repository, id int64, s DeploymentStatus) error {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return err
	}
	body := &github.DeploymentStatusRequest{State: &s.State, Description: &s.Description, AutoInactive: new(false)}
	if s.LogURL != "" {
		body.LogURL = &s.LogURL
	}
	if s.EnvironmentURL != "" {
		body.EnvironmentURL = &s.EnvironmentURL
	}
	_, _, err = client.Repositories.CreateDeploymentStatus(ctx, repository.Owner, repository.Name, id, body)
	return wrap(err, "tell that deployment %d of %s is %s", id, repository.FullName(), s.State)
}

// DeploymentState is the newest status of a deployment; empty: it has none yet.
func (p *Pool) DeploymentState(ctx context.Context, repository pipeline.Repository, id int64) (string, error) {
	client, err := p.Client(repository.InstallationID)
	if err != nil {
		return "", err
	}
	newest, _, err := client.Repositories.ListDeploymentStatuses(withCaching(ctx, cacheNever), repository.Owner, repository.Name, id,
		&github.ListOptions{PerPage: 1})
	if err != nil {
		return "", wrap(err, "read the state of deployment %d of %s", id, repository.FullName())
	}
	if len(newest) == 0 {
		return "", nil
	}
	return newest[0].GetState(), nil
}
