package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// record is what was done about a comment. It is kept before each step, so that a delivery that comes again, or is worked
// again after a crash, goes on where the last one ended.
type record struct {
	// Head is the pull request's commit when the comment was received; everything is about this one.
	Head  string `json:"head"`
	Steps []step `json:"steps"`
	// Answering: a reply may have been written.
	Answering bool `json:"answering,omitempty"`
	Done      bool `json:"done,omitempty"`
}

// step is one command of a comment.
type step struct {
	State state `json:"state,omitempty"`
	Order order `json:"order,omitzero"`
	// Said is this command's part of the reply.
	Said string `json:"said,omitempty"`
}

type state string

const (
	stateNew     state = ""
	stateDecided state = "decided"
	stateDone    state = "done"
	// stateBegun: its end is shown when it comes.
	stateBegun   state = "begun"
	stateFailed  state = "failed"
	stateRefused state = "refused"
)

func (r *record) has(s state) bool {
	for _, step := range r.Steps {
		if step.State == s {
			return true
		}
	}
	return false
}

// key begins with the comment's day, so that old records are next to each other.
func (c Comment) key() string {
	return fmt.Sprintf("%s/%d/%d", keyOf(c.CreatedAt), c.Repository.ID, c.ID)
}

func keyOf(t time.Time) string { return "comment/" + t.UTC().Format(time.DateOnly) }

// OldRecords are the keys of Memory, from the first to one before the second, that belong to comments of earlier days. No
// delivery comes again after so long.
func OldRecords(before time.Time) (from, to string) { return "comment/", keyOf(before) }

func (d *Desk) recall(ctx context.Context, c Comment) (*record, error) {
	text, err := d.memory.Setting(ctx, c.key())
	if errors.Is(err, pipeline.ErrNotFound) {
		return &record{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("what was done about comment %d: %w", c.ID, err)
	}
	var r record
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("record of comment %d: %w", c.ID, err)
	}
	return &r, nil
}

func (d *Desk) keep(ctx context.Context, c Comment, r *record) error {
	kept := *r
	if kept.Done {
		kept = record{Head: r.Head, Done: true} // nothing else is asked of it
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("record of comment %d: %w", c.ID, err)
	}
	if err := d.memory.SetSetting(ctx, c.key(), string(text)); err != nil {
		return fmt.Errorf("record what was done about comment %d: %w", c.ID, err)
	}
	return nil
}
