package githubtest

// gitCommitDoc is the inner commit of most answers: what git itself knows.
func (g *GitHub) gitCommitDoc(r *repository, c *commit) doc {
	return doc{
		"url": r.api(g) + "/git/commits/" + c.sha, "author": c.author.doc(), "committer": c.committer.doc(),
		"message": c.message, "comment_count": 0, "tree": doc{"sha": c.tree, "url": r.api(g) + "/git/trees/" + c.tree},
		"verification": doc{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil},
	}
}

func (s signature) doc() doc {
	return doc{"name": s.name, "email": s.email, "date": stamp(s.at)}
}

// commitDoc is a commit with the accounts behind it. g.mu is held.
func (g *GitHub) commitDoc(r *repository, c *commit) doc {
	return doc{
		"sha": c.sha, "node_id": "C_" + c.sha, "url": r.api(g) + "/commits/" + c.sha, "html_url": r.html(g) + "/commit/" + c.sha,
		"comments_url": r.api(g) + "/commits/" + c.sha + "/comments", "commit": g.gitCommitDoc(r, c),
		"author": g.userDoc(g.accountByEmail(c.author.email)), "committer": g.userDoc(g.accountByEmail(c.committer.email)),
		"parents": g.parentDocs(r, c, "/commits/"),
	}
}

func (g *GitHub) parentDocs(r *repository, c *commit, path string) []doc {
	parents := []doc{}
	for _, sha := range c.parents {
		parents = append(parents, doc{"sha": sha, "url": r.api(g) + path + sha, "html_url": r.html(g) + "/commit/" + sha})
	}
	return parents
}

// headCommitDoc is the short form that check suites and merge groups carry.
func (g *GitHub) headCommitDoc(c *commit) doc {
	person := func(s signature) doc { return doc{"name": s.name, "email": s.email} }
	return doc{
		"id": c.sha, "tree_id": c.tree, "message": c.message, "timestamp": stamp(c.committer.at),
		"author": person(c.author), "committer": person(c.committer),
	}
}
