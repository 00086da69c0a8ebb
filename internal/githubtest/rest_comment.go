package githubtest

import (
	"slices"
	"time"
)

const commenting = "issues=write; pull_requests=write"

var commentRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/issues/{number}/comments", rule: byToken, needs: "issues=read; pull_requests=read", handle: listComments},
	{pattern: "POST /repos/{owner}/{repo}/issues/{number}/comments", rule: byToken, needs: commenting, handle: createComment},
	{pattern: "GET /repos/{owner}/{repo}/issues/comments/{id}", rule: byToken, needs: "issues=read; pull_requests=read", handle: getComment},
	{pattern: "PATCH /repos/{owner}/{repo}/issues/comments/{id}", rule: byToken, needs: commenting, handle: updateComment},
	{pattern: "DELETE /repos/{owner}/{repo}/issues/comments/{id}", rule: byToken, needs: commenting, handle: deleteComment},
}

func listComments(c *call) (reply, error) {
	defer c.lock()()
	p, err := c.pull()
	if err != nil {
		return reply{}, err
	}
	var since time.Time
	if text := c.r.URL.Query().Get("since"); text != "" {
		if since, err = time.Parse(time.RFC3339, text); err != nil {
			return reply{}, invalid("Invalid since")
		}
	}
	list := slices.DeleteFunc(slices.Clone(p.repo.comments), func(x *issueComment) bool {
		return x.number != p.number || x.updatedAt.Before(since)
	})
	return pagedList(c, list, c.g.commentDoc)
}

type commentRequest struct {
	Body string `json:"body"`
}

func createComment(c *call) (reply, error) {
	var req commentRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	p, err := c.pull()
	if err != nil {
		return reply{}, err
	}
	var via *app
	if c.who.token.inst != nil {
		via = c.who.token.inst.app
	}
	comment, err := c.g.addComment(p, c.who.actor(), via, req.Body)
	if err != nil {
		return reply{}, err
	}
	return created(c.g.commentDoc(comment))
}

// comment finds the comment of the path. g.mu is held.
func (c *call) comment() (*issueComment, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	comment := c.repo.comment(id)
	if comment == nil {
		return nil, errNotFound
	}
	return comment, nil
}

func getComment(c *call) (reply, error) {
	defer c.lock()()
	comment, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	return ok(c.g.commentDoc(comment))
}

// mayEdit reports whether the caller may change a comment: its author, and who may push.
func (c *call) mayEdit(comment *issueComment) bool {
	if t := c.who.token; t.user != nil {
		return t.user == comment.author || c.g.mayPush(c.repo, t.user.login)
	}
	return true
}

func updateComment(c *call) (reply, error) {
	var req commentRequest
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	comment, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	if !c.mayEdit(comment) {
		return reply{}, forbidden("Must have admin rights to Repository.")
	}
	if err := c.g.editComment(comment, c.who.actor(), req.Body); err != nil {
		return reply{}, err
	}
	return ok(c.g.commentDoc(comment))
}

func deleteComment(c *call) (reply, error) {
	defer c.lock()()
	comment, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	if !c.mayEdit(comment) {
		return reply{}, forbidden("Must have admin rights to Repository.")
	}
	c.g.removeComment(comment, c.who.actor())
	return noContent()
}
