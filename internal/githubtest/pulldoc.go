package githubtest

import (
	"fmt"
	"maps"
)

// minimalPullDoc is a pull request as checks name it.
func (g *GitHub) minimalPullDoc(p *pullRequest) doc {
	side := func(branch, sha string, r *repository) doc {
		return doc{"ref": branch, "sha": sha, "repo": doc{"id": r.id, "url": r.api(g), "name": r.name}}
	}
	return doc{
		"id": p.id, "number": p.number, "url": fmt.Sprintf("%s/pulls/%d", p.repo.api(g), p.number),
		"head": side(p.headBranch, p.headSHA, p.headRepo), "base": side(p.baseBranch, p.baseSHA, p.repo),
	}
}

// simplePullDoc is a pull request as lists carry it. g.mu is held.
func (g *GitHub) simplePullDoc(p *pullRequest) doc {
	api, html := p.repo.api(g), p.repo.html(g)
	self, issue := fmt.Sprintf("%s/pulls/%d", api, p.number), fmt.Sprintf("%s/issues/%d", api, p.number)
	page := fmt.Sprintf("%s/pull/%d", html, p.number)
	d := doc{
		"url": self, "id": p.id, "node_id": nodeID("PR", p.id), "html_url": page, "diff_url": page + ".diff",
		"patch_url": page + ".patch", "issue_url": issue, "commits_url": self + "/commits",
		"review_comments_url": self + "/comments", "review_comment_url": api + "/pulls/comments{/number}",
		"comments_url": issue + "/comments", "statuses_url": api + "/statuses/" + p.headSHA,
		"number": p.number, "state": p.state, "locked": false, "title": p.title, "user": g.userDoc(p.author),
		"body": orNull(p.body), "labels": g.labelDocs(p), "milestone": nil, "active_lock_reason": nil,
		"created_at": stamp(p.createdAt), "updated_at": stamp(p.updatedAt), "closed_at": stamp(p.closedAt),
		"merged_at": stamp(p.mergedAt), "merge_commit_sha": orNull(p.mergeSHA), "assignee": nil, "assignees": []doc{},
		"requested_reviewers": []doc{}, "requested_teams": []doc{}, "draft": p.draft,
		"head": g.sideDoc(p.headRepo, p.headBranch, p.headSHA), "base": g.sideDoc(p.repo, p.baseBranch, p.baseSHA),
		"author_association": g.association(p.repo, p.author), "auto_merge": nil,
	}
	links := doc{}
	for name, href := range map[string]string{
		"self": self, "html": page, "issue": issue, "comments": issue + "/comments", "review_comments": self + "/comments",
		"review_comment": api + "/pulls/comments{/number}", "commits": self + "/commits",
		"statuses": api + "/statuses/" + p.headSHA,
	} {
		links[name] = doc{"href": href}
	}
	d["_links"] = links
	return d
}

func (g *GitHub) sideDoc(r *repository, branch, sha string) doc {
	return doc{
		"label": r.owner.login + ":" + branch, "ref": branch, "sha": sha, "user": g.userDoc(r.owner), "repo": g.repositoryDoc(r),
	}
}

func (g *GitHub) labelDocs(p *pullRequest) []doc {
	labels := []doc{}
	for i, name := range p.labels {
		labels = append(labels, doc{
			"id": p.id*1000 + int64(i), "node_id": nodeID("LA", p.id*1000+int64(i)), "url": p.repo.api(g) + "/labels/" + name,
			"name": name, "description": "", "color": "ededed", "default": false,
		})
	}
	return labels
}

// pullDoc is a whole pull request. g.mu is held.
func (g *GitHub) pullDoc(p *pullRequest) doc {
	d := g.simplePullDoc(p)
	state := "unknown"
	switch {
	case p.merged || p.mergeable == nil:
	case p.draft:
		state = "draft"
	case *p.mergeable:
		state = "clean"
	default:
		state = "dirty"
	}
	comments := 0
	for _, comment := range p.repo.comments {
		if comment.number == p.number {
			comments++
		}
	}
	maps.Copy(d, doc{
		"merged": p.merged, "mergeable": p.mergeable, "rebaseable": p.mergeable, "mergeable_state": state,
		"merged_by": g.userDoc(p.mergedBy), "comments": comments, "review_comments": 0, "maintainer_can_modify": false,
		"commits": 1, "additions": 0, "deletions": 0, "changed_files": 0,
	})
	return d
}
