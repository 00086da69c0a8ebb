package githubtest

import (
	"net/http"
	"slices"
	"time"
)

// reaction is one person's answer to a comment by a sign.
type reaction struct {
	id      int64
	user    *account
	content string
	at      time.Time
}

// Reaction is a reaction as it is now.
type Reaction struct {
	ID      int64
	User    string
	Content string
}

var reactionContents = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"} //nolint:gochecknoglobals // a constant table; Go has no constant slices

// Issues:write, and nothing else, lets an App react to comments.
var reactionRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/issues/comments/{id}/reactions", rule: byToken, needs: "issues=read", handle: listReactions},
	{pattern: "POST /repos/{owner}/{repo}/issues/comments/{id}/reactions", rule: byToken, needs: "issues=write", handle: createReaction},
	{pattern: "DELETE /repos/{owner}/{repo}/issues/comments/{id}/reactions/{reaction}", rule: byToken, needs: "issues=write", handle: deleteReaction},
}

// Reactions returns the reactions to a comment.
func (g *GitHub) Reactions(fullName string, commentID int64) []Reaction {
	g.mu.Lock()
	defer g.mu.Unlock()
	if repo := g.repo(fullName); repo != nil {
		if c := repo.comment(commentID); c != nil {
			return c.snapshot().Reactions
		}
	}
	return nil
}

func (g *GitHub) reactionDoc(r *reaction) doc {
	return doc{
		"id": r.id, "node_id": nodeID("REA", r.id), "user": g.userDoc(r.user), "content": r.content, "created_at": stamp(r.at),
	}
}

func (c *issueComment) reactionsDoc(self string) doc {
	d := doc{"url": self + "/reactions", "total_count": len(c.reactions)}
	for _, content := range reactionContents {
		d[content] = 0
	}
	for _, r := range c.reactions {
		if n, isNumber := d[r.content].(int); isNumber {
			d[r.content] = n + 1
		}
	}
	return d
}

func listReactions(c *call) (reply, error) {
	defer c.lock()()
	comment, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	return pagedList(c, comment.reactions, c.g.reactionDoc)
}

// createReaction is idempotent: 201 for a new reaction, 200 for one that was there.
func createReaction(c *call) (reply, error) {
	var req struct {
		Content string `json:"content"`
	}
	if err := c.decode(&req); err != nil {
		return reply{}, err
	}
	defer c.lock()()
	comment, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	if !slices.Contains(reactionContents, req.Content) {
		return reply{}, validationFailed("Reaction", "content", "invalid", "")
	}
	for _, r := range comment.reactions {
		if r.user == c.who.actor() && r.content == req.Content {
			return ok(c.g.reactionDoc(r))
		}
	}
	r := &reaction{id: c.g.id(), user: c.who.actor(), content: req.Content, at: c.g.now()}
	comment.reactions = append(comment.reactions, r)
	c.g.touch()
	return created(c.g.reactionDoc(r))
}

func deleteReaction(c *call) (reply, error) {
	id, err := c.number("reaction")
	if err != nil {
		return reply{}, err
	}
	defer c.lock()()
	comment, err := c.comment()
	if err != nil {
		return reply{}, err
	}
	i := slices.IndexFunc(comment.reactions, func(r *reaction) bool { return r.id == id })
	if i < 0 {
		return reply{}, &apiError{status: http.StatusNotFound, message: "Not Found"}
	}
	if comment.reactions[i].user != c.who.actor() {
		return reply{}, forbidden("Must be the creator of the reaction to delete it.")
	}
	comment.reactions = slices.Delete(comment.reactions, i, i+1)
	c.g.touch()
	return noContent()
}
