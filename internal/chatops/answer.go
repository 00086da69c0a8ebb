package chatops

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxReply is below GitHub's limit on a comment.
const maxReply = 60_000

// text is the refusal of a command as the reply shows it.
func (r *Refusal) text(asked Invocation) string {
	return code(asked.String()) + " is refused. " + r.Why + " " + r.Do
}

// answer writes the one reply, where there is something to say, and the signs.
func (d *Desk) answer(ctx context.Context, c Comment, r *record, asked []Invocation) error {
	if body := reply(c, r, asked); body != "" {
		if err := d.replyOnce(ctx, c, r, body); err != nil {
			return err
		}
	}
	for _, sign := range []struct {
		state state
		name  string
	}{{stateDone, "rocket"}, {stateFailed, "confused"}, {stateRefused, "-1"}} {
		if r.has(sign.state) {
			if err := d.react(ctx, c, sign.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// replyOnce asks GitHub first where an earlier try may have got through.
func (d *Desk) replyOnce(ctx context.Context, c Comment, r *record, body string) error {
	if r.Answering {
		replied, err := d.github.Replied(ctx, c.Repository, c.PullRequest, c.CreatedAt, mark(c))
		if err != nil || replied {
			return err
		}
	}
	r.Answering = true
	if err := d.keep(ctx, c, r); err != nil {
		return err
	}
	return d.github.Reply(ctx, c.Repository, c.PullRequest, body)
}

// mark is how a reply is known to be the one to a comment. GitHub does not show it.
func mark(c Comment) string { return fmt.Sprintf("<!-- slipway: reply to comment %d -->", c.ID) }

func reply(c Comment, r *record, asked []Invocation) string {
	var parts []string
	size := 0
	for i, s := range r.Steps {
		if s.Said == "" {
			continue
		}
		part := s.Said
		if (s.State == stateDone || s.State == stateBegun) && len(asked) > 1 {
			part = code(asked[i].String()) + "\n\n" + part
		}
		if size += len(part); size > maxReply {
			parts = append(parts, "The rest is too long to be told in one comment.")
			break
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return ""
	}
	return mark(c) + "\n" + strings.Join(parts, "\n\n---\n\n")
}

// react puts a sign on a comment; one that was deleted meanwhile needs none.
func (d *Desk) react(ctx context.Context, c Comment, sign string) error {
	err := d.github.React(ctx, c.Repository, c.ID, sign)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil
	}
	return err
}

func runURL(pageURL string, run pipeline.Run) string {
	r := run.Trigger.Repository
	return fmt.Sprintf("%s/%s/%s/runs/%d", pageURL, url.PathEscape(r.Owner), url.PathEscape(r.Name), run.Number)
}
