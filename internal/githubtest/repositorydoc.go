package githubtest

import (
	"maps"
	"strings"
)

// repositoryLinks are the templates of a repository's addresses below its API address.
var repositoryLinks = map[string]string{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}",
	"branches_url": "/branches{/branch}", "collaborators_url": "/collaborators{/collaborator}",
	"comments_url": "/comments{/number}", "commits_url": "/commits{/sha}", "compare_url": "/compare/{base}...{head}",
	"contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
	"downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks", "git_commits_url": "/git/commits{/sha}",
	"git_refs_url": "/git/refs{/sha}", "git_tags_url": "/git/tags{/sha}", "hooks_url": "/hooks",
	"issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}",
	"languages_url": "/languages", "merges_url": "/merges", "milestones_url": "/milestones{/number}",
	"notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}",
	"releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}",
	"subscribers_url": "/subscribers", "subscription_url": "/subscription", "tags_url": "/tags",
	"teams_url": "/teams", "trees_url": "/git/trees{/sha}",
}

// repositoryDoc is a repository as most answers and payloads carry it. g.mu is held.
func (g *GitHub) repositoryDoc(r *repository) doc {
	d := r.shortDoc()
	api := r.api(g)
	for key, suffix := range repositoryLinks {
		d[key] = api + suffix
	}
	visibility := "public"
	if r.private {
		visibility = "private"
	}
	html := g.base + "/" + r.fullName()
	maps.Copy(d, doc{
		"owner": g.userDoc(r.owner), "html_url": html, "description": orNull(r.description), "fork": r.parent != nil,
		"url": api, "git_url": strings.Replace(html, "http://", "git://", 1) + ".git", "clone_url": html + ".git",
		"ssh_url": "git@" + strings.TrimPrefix(g.base, "http://") + ":" + r.fullName() + ".git", "svn_url": html,
		"homepage": nil, "language": nil, "mirror_url": nil, "license": nil, "size": 0,
		"forks_count": 0, "forks": 0, "stargazers_count": 0, "watchers_count": 0, "watchers": 0,
		"open_issues_count": r.openPulls(), "open_issues": r.openPulls(), "default_branch": r.defaultBranch,
		"is_template": false, "topics": []string{}, "visibility": visibility, "has_issues": true, "has_projects": true,
		"has_wiki": true, "has_pages": false, "has_downloads": true, "has_discussions": false, "archived": false,
		"disabled": false, "allow_forking": true, "web_commit_signoff_required": false,
		"created_at": stamp(r.createdAt), "updated_at": stamp(r.pushedAt), "pushed_at": stamp(r.pushedAt),
	})
	return d
}

// pushRepositoryDoc is a repository as push payloads carry it: times are numbers, the owner has a name and an email.
func (g *GitHub) pushRepositoryDoc(r *repository) doc {
	d := g.repositoryDoc(r)
	d["created_at"], d["pushed_at"] = r.createdAt.Unix(), r.pushedAt.Unix()
	d["master_branch"], d["stargazers"] = r.defaultBranch, 0
	if owner, ok := d["owner"].(doc); ok {
		owner["name"], owner["email"] = r.owner.login, nil
	}
	d["url"] = g.base + "/" + r.fullName()
	if r.owner.kind == "Organization" {
		d["organization"] = r.owner.login
	}
	return d
}

func (r *repository) api(g *GitHub) string  { return g.base + apiPrefix + "/repos/" + r.fullName() }
func (r *repository) html(g *GitHub) string { return g.base + "/" + r.fullName() }
