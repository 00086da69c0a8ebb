package githubtest

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// runView is a check run as pages show it.
type runView struct {
	Page          page
	ID            int64
	Name, HeadSHA string
	State         string // the conclusion, or the status until there is one
	RunTitle      string
	Took          string
	Details       string
	Summary, Text template.HTML
	Annotations   []Annotation
	More          int
	Actions       []Action
	Done, Open    bool
}

const shownAnnotations = 100

func (s *site) runView(p page, run CheckRun) runView {
	v := runView{
		Page: p, ID: run.ID, Name: run.Name, HeadSHA: run.HeadSHA, State: run.Conclusion, RunTitle: run.Title,
		Summary: s.markdown.html(run.Summary), Text: s.markdown.html(run.Text), Actions: run.Actions,
		Done: run.Status == "completed", Annotations: run.Annotations[:min(len(run.Annotations), shownAnnotations)],
	}
	v.More = len(run.Annotations) - len(v.Annotations)
	if v.State == "" {
		v.State = run.Status
	}
	if u, err := url.Parse(run.DetailsURL); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		v.Details = run.DetailsURL
	}
	if v.Done && !run.StartedAt.IsZero() {
		v.Took = run.CompletedAt.Sub(run.StartedAt).Round(time.Second).String()
	}
	v.Open = run.Conclusion == "failure" || run.Conclusion == "action_required"
	return v
}

// checks are the newest runs of each name on a commit, in the order they were made.
func (s *site) checks(p page, sha string) []runView {
	var views []runView
	seen := map[string]bool{}
	for _, run := range slices.Backward(s.g.CheckRuns(p.Repo, sha)) {
		key := strconv.FormatInt(run.AppID, 10) + run.Name
		if !seen[key] {
			seen[key] = true
			views = append(views, s.runView(p, run))
		}
	}
	slices.Reverse(views)
	return views
}

func (s *site) commit(w http.ResponseWriter, r *http.Request) {
	data := struct {
		page
		Commit commitView
		Checks []runView
		Suites []CheckSuite
	}{page: s.page(r, "Commit "+r.PathValue("sha"))}
	s.g.mu.Lock()
	repo := s.g.repo(data.Repo)
	var found *commit
	if repo != nil {
		if c, err := repo.resolve(r.PathValue("sha")); err == nil {
			found = c
			data.Commit = s.commitView(repo, c)
		}
	}
	s.g.mu.Unlock()
	if found == nil {
		http.NotFound(w, r)
		return
	}
	data.Checks, data.Suites = s.checks(data.page, found.sha), s.g.CheckSuites(data.Repo, found.sha)
	s.show(w, "commit", data)
}

func (s *site) run(w http.ResponseWriter, r *http.Request) {
	p := s.page(r, "Check run "+r.PathValue("id"))
	for _, run := range s.g.CheckRuns(p.Repo, "") {
		if strconv.FormatInt(run.ID, 10) == r.PathValue("id") {
			s.show(w, "run-page", struct {
				page
				Run runView
			}{p, s.runView(p, run)})
			return
		}
	}
	http.NotFound(w, r)
}

type commentView struct {
	ID                    int64
	Author, At, Minimized string
	Edited                bool
	HTML                  template.HTML
	Reactions             []struct{ User, Sign string }
}

var reactionSigns = map[string]string{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"+1": "👍", "-1": "👎", "laugh": "😄", "confused": "😕", "heart": "❤️", "hooray": "🎉", "rocket": "🚀", "eyes": "👀",
}

func (s *site) commentView(c Comment) commentView {
	v := commentView{
		ID: c.ID, Author: c.Author, At: c.CreatedAt.Format("2 Jan 15:04:05"), Minimized: strings.ToLower(c.Minimized),
		Edited: !c.UpdatedAt.Equal(c.CreatedAt), HTML: s.markdown.html(c.Body),
	}
	for _, reaction := range c.Reactions {
		v.Reactions = append(v.Reactions, struct{ User, Sign string }{reaction.User, reactionSigns[reaction.Content]})
	}
	return v
}

type pullButton struct{ Do, Label string }

func (s *site) pull(w http.ResponseWriter, r *http.Request) {
	data := struct {
		page
		Pull        PullRequest
		What        string
		Body        template.HTML
		Checks      []runView
		Deployments []deploymentView
		Comments    []commentView
		Buttons     []pullButton
	}{page: s.page(r, "Pull request "+r.PathValue("number"))}
	for _, p := range s.g.PullRequests(data.Repo) {
		if strconv.Itoa(p.Number) == r.PathValue("number") {
			data.Pull = p
		}
	}
	if data.Pull.Number == 0 {
		http.NotFound(w, r)
		return
	}
	data.Title, data.Body = data.Pull.Title, s.markdown.html(data.Pull.Body)
	data.What, data.Buttons = pullState(data.Pull)
	data.Checks = s.checks(data.page, data.Pull.HeadSHA)
	data.Deployments = s.deploymentViews(data.Repo, data.Pull.HeadSHA, data.Pull.MergeSHA)
	for _, c := range s.g.Comments(data.Repo, data.Pull.Number) {
		data.Comments = append(data.Comments, s.commentView(c))
	}
	s.show(w, "pull", data)
}

func pullState(p PullRequest) (what string, buttons []pullButton) {
	switch {
	case p.Merged:
		return "merged", nil
	case p.State == "closed":
		return "closed", []pullButton{{"reopen", "Reopen"}}
	case p.Draft:
		return "draft", []pullButton{{"ready", "Ready for review"}, {"close", "Close"}}
	default:
		return "open", []pullButton{{"merge", "Merge"}, {"squash", "Squash and merge"}, {"enqueue", "Merge when ready"}, {"close", "Close"}}
	}
}
