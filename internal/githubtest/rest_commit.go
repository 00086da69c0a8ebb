package githubtest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

var commitRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/commits", rule: byToken, needs: "contents=read", handle: listCommits},
	{pattern: "GET /repos/{owner}/{repo}/commits/{ref}", rule: byToken, needs: "contents=read", handle: getCommit},
	{pattern: "GET /repos/{owner}/{repo}/commits/{ref}/pulls", rule: byToken, needs: "pull_requests=read", handle: listCommitPulls},
	{pattern: "GET /repos/{owner}/{repo}/compare/{range}", rule: byToken, needs: "contents=read", handle: compareCommits},
}

const (
	maxCompareFiles   = 300
	maxCompareCommits = 250
	maxListedCommits  = 1000
)

// find resolves a name of the path or query to a commit.
func (c *call) find(name string) (*commit, error) {
	defer c.lock()()
	found, err := c.repo.resolve(name)
	if errors.Is(err, errNoObject) {
		return nil, invalid("No commit found for SHA: " + name)
	}
	return found, err
}

// history follows first the commits of a name, newest first.
func (c *call) history(name string, limit int) ([]*commit, error) {
	head, err := c.find(name)
	if err != nil {
		return nil, err
	}
	out, err := c.repo.git.git(c.r.Context(), "rev-list", fmt.Sprintf("--max-count=%d", limit), head.sha)
	if err != nil {
		return nil, err
	}
	return c.repo.git.commits(strings.Fields(out))
}

func (s *gitStore) commits(shas []string) ([]*commit, error) {
	list := make([]*commit, 0, len(shas))
	for _, sha := range shas {
		c, err := s.commit(sha)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func listCommits(c *call) (reply, error) {
	list, err := c.history(c.r.URL.Query().Get("sha"), maxListedCommits)
	if err != nil {
		return reply{}, err
	}
	defer c.lock()()
	return pagedList(c, list, func(x *commit) doc { return c.g.commitDoc(c.repo, x) })
}

func getCommit(c *call) (reply, error) {
	found, err := c.find(c.r.PathValue("ref"))
	if err != nil {
		return reply{}, err
	}
	if strings.Contains(c.r.Header.Get("Accept"), "sha") {
		return reply{status: http.StatusOK, raw: []byte(found.sha), header: http.Header{
			"Content-Type": {"application/vnd.github.sha; charset=utf-8"},
		}}, nil
	}
	from := emptyTree
	if len(found.parents) > 0 {
		from = found.parents[0]
	}
	files, err := c.repo.git.diff(c.r.Context(), from, found.sha)
	if err != nil {
		return reply{}, err
	}
	defer c.lock()()
	d := c.g.commitDoc(c.repo, found)
	additions, deletions := 0, 0
	for _, f := range files {
		additions += f.additions
		deletions += f.removed
	}
	d["stats"] = doc{"additions": additions, "deletions": deletions, "total": additions + deletions}
	part, header := paged(c, files[:min(len(files), maxPullFiles)])
	d["files"] = renderAll(part, func(f changedFile) doc { return c.g.fileDoc(c.repo, found.sha, f) })
	return reply{status: http.StatusOK, body: d, header: header}, nil
}

// listCommitPulls lists the pull requests whose head is the commit or that brought it by a merge.
func listCommitPulls(c *call) (reply, error) {
	found, err := c.find(c.r.PathValue("ref"))
	if err != nil {
		return reply{}, err
	}
	c.g.mu.Lock()
	pulls := append([]*pullRequest{}, c.repo.pulls...)
	c.g.mu.Unlock()
	var list []*pullRequest
	for _, p := range pulls {
		if p.headSHA == found.sha || (p.merged && p.mergeSHA == found.sha) {
			list = append(list, p)
			continue
		}
		commits, err := c.repo.git.missing(c.r.Context(), p.headSHA, p.baseSHA)
		if err != nil {
			return reply{}, err
		}
		for _, sha := range commits {
			if sha == found.sha {
				list = append(list, p)
			}
		}
	}
	defer c.lock()()
	return pagedList(c, list, c.g.simplePullDoc)
}

// comparison is what lies between two commits.
type comparison struct {
	base, head, mergeBase *commit
	ahead                 []*commit // oldest first
	behind                int
	files                 []changedFile
}

func compareCommits(c *call) (reply, error) {
	baseName, headName, ok3 := strings.Cut(c.r.PathValue("range"), "...")
	if !ok3 {
		return reply{}, errNotFound
	}
	if _, branch, foreign := strings.Cut(headName, ":"); foreign {
		headName = branch
	}
	base, err := c.find(baseName)
	if err != nil {
		return reply{}, errNotFound
	}
	head, err := c.find(headName)
	if err != nil {
		return reply{}, errNotFound
	}
	cmp, err := c.compare(base, head)
	if err != nil {
		return reply{}, err
	}
	return c.comparisonReply(cmp)
}

func (c *call) compare(base, head *commit) (comparison, error) {
	ctx, store := c.r.Context(), c.repo.git
	cmp := comparison{base: base, head: head}
	common, err := store.mergeBase(ctx, base.sha, head.sha)
	if err != nil {
		return cmp, err
	}
	if common == "" {
		return cmp, &apiError{status: http.StatusNotFound, message: fmt.Sprintf("No common ancestor between %s and %s.", base.sha, head.sha)}
	}
	if cmp.mergeBase, err = store.commit(common); err != nil {
		return cmp, err
	}
	ahead, err := store.missing(ctx, head.sha, base.sha)
	if err != nil {
		return cmp, err
	}
	behind, err := store.missing(ctx, base.sha, head.sha)
	if err != nil {
		return cmp, err
	}
	cmp.behind = len(behind)
	if cmp.ahead, err = store.commits(ahead); err != nil {
		return cmp, err
	}
	cmp.files, err = store.diff(ctx, common, head.sha)
	return cmp, err
}

func (c *call) comparisonReply(cmp comparison) (reply, error) {
	defer c.lock()()
	status := "identical"
	switch {
	case len(cmp.ahead) > 0 && cmp.behind > 0:
		status = "diverged"
	case len(cmp.ahead) > 0:
		status = "ahead"
	case cmp.behind > 0:
		status = "behind"
	}
	span := cmp.base.sha + "..." + cmp.head.sha
	html := c.repo.html(c.g) + "/compare/" + span
	render := func(x *commit) doc { return c.g.commitDoc(c.repo, x) }
	listed, header := cmp.ahead, http.Header{}
	files := cmp.files[:min(len(cmp.files), maxCompareFiles)]
	if query := c.r.URL.Query(); query.Has("page") || query.Has("per_page") {
		if _, page := pageOf(c.r); page > 1 { // files come with the first page only
			files = nil
		}
		listed, header = paged(c, cmp.ahead)
	} else if len(listed) > maxCompareCommits {
		listed = listed[len(listed)-maxCompareCommits:]
	}
	return reply{status: http.StatusOK, header: header, body: doc{
		"url": c.repo.api(c.g) + "/compare/" + span, "html_url": html, "permalink_url": html, "diff_url": html + ".diff",
		"patch_url": html + ".patch", "base_commit": render(cmp.base), "merge_base_commit": render(cmp.mergeBase),
		"status": status, "ahead_by": len(cmp.ahead), "behind_by": cmp.behind, "total_commits": len(cmp.ahead),
		"commits": renderAll(listed, render),
		"files":   renderAll(files, func(f changedFile) doc { return c.g.fileDoc(c.repo, cmp.head.sha, f) }),
	}}, nil
}
