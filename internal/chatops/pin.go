package chatops

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// NotYetError says that a comment has to be taken again a little later: what it is about has not arrived.
type NotYetError struct {
	What  string
	After time.Duration
}

func (e *NotYetError) Error() string { return e.What + ": not yet" }

// patience is how long a comment waits for the event that tells who pushed the head, and pace how often it looks.
const (
	patience = 10 * time.Second
	pace     = 2 * time.Second
)

// sighting is a commit that a ref is known to have held at a time; before, where known, is what it held until then.
type sighting struct {
	sha, before string
	at          time.Time
}

// unproven refuses a head of which it is not known that its refs held it when the comment was written, and hold it since:
// whoever wrote it may have looked at another commit. A comment carries no commit of its own. The refs are names of the same
// thing: a branch, and the pull request of it.
func (d *Desk) unproven(ctx context.Context, f facts, head string, refs ...string) (*Refusal, error) {
	seen, err := d.sightings(ctx, f, head, refs)
	if err != nil {
		return nil, err
	}
	known := slices.ContainsFunc(seen, func(s sighting) bool { return s.sha == head })
	switch {
	case known:
		return pushedSince(seen, head, f.comment.CreatedAt), nil
	case len(seen) == 0 && refs[0] != pullRef(f.number):
		return nil, nil //nolint:nilnil // nothing was pushed to the branch since Slipway is there
	case d.clock.Now().Sub(f.comment.ReceivedAt) < patience:
		return nil, &NotYetError{What: "the push of " + head, After: pace}
	}
	// From now on it is known to be there.
	if err := d.ledger.SavePush(ctx, pipeline.PushRecord{RepositoryID: f.repository.ID, SHA: head, Ref: refs[0], At: d.clock.Now()}); err != nil {
		return nil, fmt.Errorf("note the head %s: %w", head, err)
	}
	return &Refusal{
		Why: fmt.Sprintf("Slipway sees the head %s for the first time, and cannot tell whether it was pushed before or after your comment.", code(head)),
		Do:  "Look at it, and say it again.",
	}, nil
}

func pullRef(number int) string { return fmt.Sprintf("refs/pull/%d/head", number) }

// sightings are what the refs are known to have held, oldest first: what was pushed to them, and the runs of that.
func (d *Desk) sightings(ctx context.Context, f facts, head string, refs []string) ([]sighting, error) {
	var seen []sighting
	for _, ref := range refs {
		pushes, err := d.ledger.PushesTo(ctx, f.repository.ID, ref, 50)
		if err != nil {
			return nil, fmt.Errorf("pushes to %s: %w", ref, err)
		}
		for _, p := range pushes {
			seen = append(seen, sighting{p.SHA, p.Before, p.At})
			if !p.Again.IsZero() {
				seen = append(seen, sighting{p.SHA, "", p.Again})
			}
		}
	}
	runs, err := d.runs.Runs(ctx, pipeline.RunFilter{RepositoryID: f.repository.ID, SHA: head})
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", head, err)
	}
	for _, run := range runs {
		t := run.Trigger
		if t.Event != pipeline.EventPullRequest && t.Event != pipeline.EventPush || !slices.Contains(refs, t.Ref) {
			continue
		}
		at := t.At
		if at.IsZero() {
			at = run.CreatedAt
		}
		seen = append(seen, sighting{t.SHA, t.Before, at})
	}
	slices.SortStableFunc(seen, func(a, b sighting) int { return a.at.Compare(b.at) })
	return seen, nil
}

// pushedSince names the head that the author of a comment saw, where it is known, and the one that is there now; nil: they
// are the same, and nothing else was there in between.
func pushedSince(seen []sighting, head string, written time.Time) *Refusal {
	was, moved := "", false
	for _, s := range seen {
		switch {
		case !s.at.After(written):
			was = s.sha
		case s.sha != head:
			moved = true
		case was == "":
			was = s.before
		}
	}
	if was == head && !moved {
		return nil
	}
	shown := "another commit"
	if was != "" && was != head {
		shown = code(was)
	}
	why := fmt.Sprintf("The head was %s when the comment was written, and is %s now: it was pushed since.", shown, code(head))
	if was == head {
		why = fmt.Sprintf("Something else was pushed since the comment was written, and then %s again.", code(head))
	}
	return &Refusal{Why: why, Do: "Look at what was pushed, and say it again."}
}
