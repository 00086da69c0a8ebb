package githubtest

import (
	"net/url"
	"slices"
)

// deploymentView is a deployment as pages show it.
type deploymentView struct {
	Deployment

	What     string // the newest status's words
	Log, URL string // addresses of the web, or empty
}

// environmentView is an environment with the deployment that it runs.
type environmentView struct {
	Name string
	// Active is the newest successful one that nothing replaced; nil: none.
	Active *deploymentView
	Newest deploymentView
}

func (d *deployment) view() deploymentView {
	v := deploymentView{Deployment: d.snapshot(), What: d.description}
	if n := len(d.statuses); n > 0 && d.statuses[n-1].description != "" {
		v.What = d.statuses[n-1].description
	}
	v.Log, v.URL = webAddress(v.LogURL), webAddress(v.EnvironmentURL)
	return v
}

// webAddress is an address of the web; anything else is none.
func webAddress(s string) string {
	if u, err := url.Parse(s); err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return s
}

// deploymentViews are the deployments of a repository, newest first; of some commits only, where any are named.
func (s *site) deploymentViews(fullName string, commits ...string) []deploymentView {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	var views []deploymentView
	if repo := s.g.repo(fullName); repo != nil {
		for _, d := range slices.Backward(repo.deployments) {
			if len(views) < shownDeployments && (len(commits) == 0 || slices.Contains(commits, d.sha)) {
				views = append(views, d.view())
			}
		}
	}
	return views
}

// environmentViews are the environments that were deployed to, those deployed to last first.
func (s *site) environmentViews(fullName string) []environmentView {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	repo := s.g.repo(fullName)
	if repo == nil {
		return nil
	}
	var views []environmentView
	for _, d := range slices.Backward(repo.deployments) {
		i := slices.IndexFunc(views, func(v environmentView) bool { return v.Name == d.environment })
		if i < 0 {
			i = len(views)
			views = append(views, environmentView{Name: d.environment, Newest: d.view()})
		}
		if d.state() == "success" && views[i].Active == nil {
			active := d.view()
			views[i].Active = &active
		}
	}
	return views
}
