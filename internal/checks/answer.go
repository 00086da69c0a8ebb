package checks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// The signs that a wish gets at its end.
const (
	signDone   = "rocket"
	signFailed = "confused"
)

// answer tells whoever asked for the entry by comment how it ended, once: a sign, and where it failed or was void one reply
// with the reason.
func (a *announcement) answer(ctx context.Context) error {
	wish := a.run.Trigger.Deploy
	if wish == nil || wish.Comment == 0 || !strings.EqualFold(wish.Environment, a.entry.Environment) || !a.entry.State.Final() {
		return nil
	}
	sign := signFailed
	if a.entry.State == pipeline.EntryDone {
		sign = signDone
	}
	if a.mirror.Answered == sign {
		return nil
	}
	if body := a.reply(); body != "" && a.run.Trigger.PullRequest > 0 {
		if err := a.forgiven(a.replyOnce(ctx, body)); err != nil {
			return err
		}
	}
	if err := a.forgiven(a.github.React(ctx, a.repo(), wish.Comment, sign)); err != nil {
		return err
	}
	a.mirror.Answered = sign
	return a.save(ctx, a.mirror)
}

// forgiven lets an answer go that GitHub does not take: the comment or the pull request is gone or locked.
func (a *announcement) forgiven(err error) error {
	if err == nil {
		return nil
	}
	reason, refused := refusedForGood(err)
	if !refused {
		return err
	}
	if !errors.Is(err, pipeline.ErrNotFound) {
		a.log.Error().Err(err).Str("do", reason).Int64("run", a.run.ID).Msg("GitHub refuses an answer to a comment for good")
	}
	return nil
}

func (a *announcement) replyOnce(ctx context.Context, body string) error {
	mark := a.mark()
	replied, err := a.github.Replied(ctx, a.repo(), a.run.Trigger.PullRequest, a.run.CreatedAt, mark)
	if err != nil || replied {
		return err
	}
	return a.github.Reply(ctx, a.repo(), a.run.Trigger.PullRequest, mark+"\n"+body)
}

// mark is how the reply is known. GitHub does not show it.
func (a *announcement) mark() string {
	turn := ""
	if a.entry.Turn > 0 {
		turn = fmt.Sprintf(", try %d", a.entry.Turn+1)
	}
	return fmt.Sprintf("<!-- slipway: end of run %d, which comment %d asked for%s -->", a.run.Number, a.run.Trigger.Deploy.Comment, turn)
}

// reply is what went wrong; empty: the sign says it, or whoever ended it has said it.
func (a *announcement) reply() string {
	e, command := a.entry, a.command()
	said := strings.TrimPrefix(strings.TrimPrefix(display.Line(e.Reason), "Void: "), "Refused: ")
	reason := spans(strings.TrimSuffix(clip(said, 1000), "."))
	if reason != "" {
		reason = ": " + reason
	}
	at := fmt.Sprintf("[Run #%d](%s)", a.run.Number, safeAddress(a.page(a.run)))
	switch {
	case e.State == pipeline.EntryFailed && e.EnteredAt.IsZero():
		return fmt.Sprintf("%s failed before anything was changed%s. %s has the details.", command, reason, at)
	case e.State == pipeline.EntryFailed, e.State == pipeline.EntryCancelled && !e.EnteredAt.IsZero():
		return fmt.Sprintf("%s failed while %s was being changed%s. %s has the details.", command, plain(e.Environment), reason, at)
	case e.State == pipeline.EntryVoid:
		return fmt.Sprintf("%s was not carried out%s. Nothing was changed. Write it again to have it decided on as it is now. See %s.", command, reason, at)
	case e.State == pipeline.EntryCancelled && a.run.Reason == "", e.State == pipeline.EntrySkipped:
		return fmt.Sprintf("%s was not carried out%s. Nothing was changed. See %s.", command, reason, at)
	default:
		return ""
	}
}

// command is what was asked for, as it may be written again.
func (a *announcement) command() string {
	wish := a.run.Trigger.Deploy
	line := "/" + string(wish.Action) + " " + wish.Environment
	if wish.Action == pipeline.ActionRollback && wish.Release > 0 {
		line += fmt.Sprintf(" --to %d", wish.Release)
	}
	return code(line)
}
