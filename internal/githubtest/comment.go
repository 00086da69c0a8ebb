package githubtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// issueComment is a comment on an issue or pull request.
type issueComment struct {
	id        int64
	pull      *pullRequest
	number    int
	author    *account
	app       *app // by whom it was made on the author's behalf
	body      string
	createdAt time.Time
	updatedAt time.Time
	minimized string // the reason it was hidden for
	reactions []*reaction
}

// Comment is a comment as it is now.
type Comment struct {
	ID        int64
	Number    int
	Author    string
	Body      string
	CreatedAt time.Time
	UpdatedAt time.Time
	// Minimized is the reason the comment is hidden for; empty: it is shown.
	Minimized string
	Reactions []Reaction
}

const maxCommentLength = 65536

// Comments returns the comments of a pull request, oldest first.
func (g *GitHub) Comments(fullName string, number int) []Comment {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Comment
	if repo := g.repo(fullName); repo != nil {
		for _, c := range repo.comments {
			if c.number == number {
				list = append(list, c.snapshot())
			}
		}
	}
	return list
}

func (c *issueComment) snapshot() Comment {
	s := Comment{
		ID: c.id, Number: c.number, Author: c.author.login, Body: c.body, CreatedAt: c.createdAt, UpdatedAt: c.updatedAt,
		Minimized: c.minimized,
	}
	for _, r := range c.reactions {
		s.Reactions = append(s.Reactions, Reaction{ID: r.id, User: r.user.login, Content: r.content})
	}
	return s
}

func commentProblem(body string) error {
	switch {
	case strings.TrimSpace(body) == "":
		return validationFailed("IssueComment", "body", "missing_field", "Body cannot be blank")
	case runes(body) > maxCommentLength || !utf8.ValidString(body):
		return validationFailed("IssueComment", "body", "unprocessable", "Body is too long (maximum is 65536 characters)")
	}
	return nil
}

// addComment writes a comment. g.mu is held.
func (g *GitHub) addComment(p *pullRequest, who *account, via *app, body string) (*issueComment, error) {
	if err := commentProblem(body); err != nil {
		return nil, err
	}
	c := &issueComment{
		id: g.id(), pull: p, number: p.number, author: who, app: via, body: body, createdAt: g.now(), updatedAt: g.now(),
	}
	p.repo.comments = append(p.repo.comments, c)
	g.commentEvent(c, "created", who, nil)
	g.touch()
	return c, nil
}

// editComment changes a comment's text; somebody else than its author may have done it. g.mu is held.
func (g *GitHub) editComment(c *issueComment, who *account, body string) error {
	if err := commentProblem(body); err != nil {
		return err
	}
	before := c.body
	c.body, c.updatedAt = body, g.now()
	g.commentEvent(c, "edited", who, doc{"changes": doc{"body": doc{"from": before}}})
	g.touch()
	return nil
}

// removeComment deletes a comment. g.mu is held.
func (g *GitHub) removeComment(c *issueComment, who *account) {
	r := c.pull.repo
	r.comments = slices.DeleteFunc(r.comments, func(other *issueComment) bool { return other == c })
	g.commentEvent(c, "deleted", who, nil)
	g.touch()
}

func (r *repository) comment(id int64) *issueComment {
	for _, c := range r.comments {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (g *GitHub) commentEvent(c *issueComment, action string, sender *account, more doc) {
	payload := doc{"issue": g.issueDoc(c.pull), "comment": g.commentDoc(c)}
	maps.Copy(payload, more)
	g.tell(c.pull.repo, sender, "issue_comment", action, payload)
}

func (g *GitHub) commentDoc(c *issueComment) doc {
	self := fmt.Sprintf("%s/issues/comments/%d", c.pull.repo.api(g), c.id)
	d := doc{
		"id": c.id, "node_id": nodeID("IC", c.id), "url": self,
		"html_url":  fmt.Sprintf("%s/pull/%d#issuecomment-%d", c.pull.repo.html(g), c.number, c.id),
		"issue_url": fmt.Sprintf("%s/issues/%d", c.pull.repo.api(g), c.number), "user": g.userDoc(c.author), "body": c.body,
		"created_at": stamp(c.createdAt), "updated_at": stamp(c.updatedAt), "author_association": g.association(c.pull.repo, c.author),
		"performed_via_github_app": nil, "reactions": c.reactionsDoc(self),
	}
	if c.app != nil {
		d["performed_via_github_app"] = g.appDoc(c.app)
	}
	return d
}

// issueDoc is the issue side of a pull request. It does not tell the head commit.
func (g *GitHub) issueDoc(p *pullRequest) doc {
	api := fmt.Sprintf("%s/issues/%d", p.repo.api(g), p.number)
	html := fmt.Sprintf("%s/pull/%d", p.repo.html(g), p.number)
	pull := doc{
		"url": fmt.Sprintf("%s/pulls/%d", p.repo.api(g), p.number), "html_url": html, "diff_url": html + ".diff",
		"patch_url": html + ".patch", "merged_at": stamp(p.mergedAt),
	}
	return doc{
		"id": p.issueID, "node_id": nodeID("I", p.issueID), "url": api, "repository_url": p.repo.api(g),
		"labels_url": api + "/labels{/name}", "comments_url": api + "/comments", "events_url": api + "/events",
		"html_url": html, "number": p.number, "state": p.state, "title": p.title, "body": orNull(p.body),
		"user": g.userDoc(p.author), "labels": g.labelDocs(p), "assignee": nil, "assignees": []doc{}, "milestone": nil,
		"locked": false, "active_lock_reason": nil, "comments": len(p.repo.comments), "pull_request": pull,
		"created_at": stamp(p.createdAt), "updated_at": stamp(p.updatedAt), "closed_at": stamp(p.closedAt),
		"author_association": g.association(p.repo, p.author), "draft": p.draft, "state_reason": nil, "timeline_url": api + "/timeline",
		"performed_via_github_app": nil,
	}
}
