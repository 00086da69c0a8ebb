package githubtest

import (
	"errors"
	"strings"
)

var gitRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/git/ref/{ref...}", rule: byToken, needs: "contents=read", handle: getRef},
	{pattern: "GET /repos/{owner}/{repo}/git/matching-refs/{ref...}", rule: byToken, needs: "contents=read", handle: matchingRefs},
	{pattern: "GET /repos/{owner}/{repo}/git/commits/{sha}", rule: byToken, needs: "contents=read", handle: getGitCommit},
	{pattern: "GET /repos/{owner}/{repo}/git/trees/{sha}", rule: byToken, needs: "contents=read", handle: getTree},
	{pattern: "GET /repos/{owner}/{repo}/git/blobs/{sha}", rule: byToken, needs: "contents=read", handle: getBlob},
}

func (c *call) refDoc(name string) (doc, error) {
	sha := c.repo.refs[name]
	kind, err := c.repo.git.kind(sha)
	if err != nil {
		return nil, err
	}
	api := c.repo.api(c.g) + "/git/"
	return doc{
		"ref": name, "node_id": nodeID("REF", c.repo.id), "url": api + name,
		"object": doc{"sha": sha, "type": kind, "url": api + kind + "s/" + sha},
	}, nil
}

func getRef(c *call) (reply, error) {
	defer c.lock()()
	name := "refs/" + strings.TrimPrefix(c.r.PathValue("ref"), "refs/")
	if c.repo.refs[name] == "" {
		return reply{}, errNotFound
	}
	d, err := c.refDoc(name)
	if err != nil {
		return reply{}, err
	}
	return ok(d)
}

func matchingRefs(c *call) (reply, error) {
	defer c.lock()()
	prefix := "refs/" + strings.TrimPrefix(c.r.PathValue("ref"), "refs/")
	found := []doc{}
	for _, update := range refUpdates(nil, c.repo.refs) {
		if strings.HasPrefix(update.name, prefix) {
			d, err := c.refDoc(update.name)
			if err != nil {
				return reply{}, err
			}
			found = append(found, d)
		}
	}
	return ok(found)
}

func getGitCommit(c *call) (reply, error) {
	defer c.lock()()
	sha := c.r.PathValue("sha")
	if !isSHA(sha) {
		return reply{}, invalid("The SHA parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	commit, err := c.repo.git.commit(sha)
	if err != nil {
		return reply{}, err
	}
	d := c.g.gitCommitDoc(c.repo, commit)
	d["sha"], d["node_id"] = commit.sha, "C_"+commit.sha
	d["url"], d["html_url"] = c.repo.api(c.g)+"/git/commits/"+commit.sha, c.repo.html(c.g)+"/commit/"+commit.sha
	d["parents"] = c.g.parentDocs(c.repo, commit, "/git/commits/")
	delete(d, "comment_count")
	return ok(d)
}

// GitHub cuts recursive trees at this many entries.
const maxTreeEntries = 100_000

func getTree(c *call) (reply, error) {
	c.g.mu.Lock()
	tree, err := c.treeSHA(c.r.PathValue("sha"))
	c.g.mu.Unlock()
	if err != nil {
		return reply{}, err
	}
	api := c.repo.api(c.g) + "/git/"
	entries := []doc{}
	visit := func(e treeEntry) {
		d := doc{"path": e.path, "mode": e.mode, "type": e.kind(), "sha": e.sha}
		if e.kind() != "commit" {
			d["url"] = api + e.kind() + "s/" + e.sha
		}
		if e.kind() == "blob" {
			d["size"] = c.repo.git.size(e.sha)
		}
		entries = append(entries, d)
	}
	truncated := false
	if c.r.URL.Query().Has("recursive") { // any value counts, even 0 and false
		err = c.repo.git.walk(tree, "", maxTreeEntries, visit)
		truncated = errors.Is(err, errTooMany)
	} else {
		var list []treeEntry
		list, err = c.repo.git.tree(tree)
		for _, e := range list {
			visit(e)
		}
	}
	if err != nil && !truncated {
		return reply{}, err
	}
	return ok(doc{"sha": tree, "url": api + "trees/" + tree, "tree": entries, "truncated": truncated})
}

// treeSHA finds the tree that a hash or a reference means. g.mu is held.
func (c *call) treeSHA(name string) (string, error) {
	if isSHA(name) {
		if kind, err := c.repo.git.kind(name); err != nil || kind == "tree" {
			return name, err
		}
	}
	commit, err := c.repo.resolve(name)
	if err != nil {
		return "", err
	}
	return commit.tree, nil
}

func getBlob(c *call) (reply, error) {
	data, err := c.repo.git.blob(c.r.PathValue("sha"))
	if err != nil {
		return reply{}, err
	}
	sha := c.r.PathValue("sha")
	if wantsRaw(c.r) {
		return rawReply(data)
	}
	return ok(doc{
		"sha": sha, "node_id": "B_" + sha, "size": len(data), "url": c.repo.api(c.g) + "/git/blobs/" + sha,
		"content": wrapBase64(data), "encoding": "base64",
	})
}
