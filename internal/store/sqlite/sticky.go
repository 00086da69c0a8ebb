package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Sticky tells what is known of the sticky comment on a pull request; nothing but where it belongs where there is none.
func (db *DB) Sticky(ctx context.Context, repositoryID int64, pullRequest int) (pipeline.Sticky, error) {
	s := pipeline.Sticky{RepositoryID: repositoryID, PullRequest: pullRequest}
	err := db.look(ctx, func(v view) error {
		return v.one(`SELECT comment_id, shown FROM stickies WHERE repository_id = ? AND pull_request = ?`,
			[]any{repositoryID, pullRequest}, &s.CommentID, &s.Shown)
	})
	if errors.Is(err, pipeline.ErrNotFound) {
		return s, nil
	}
	return s, wrap(err, fmt.Sprintf("sticky comment on #%d", pullRequest))
}

// SaveSticky notes what GitHub shows as the sticky comment of a pull request. It is on the disk before it returns: a
// comment that is forgotten would be made a second time.
func (db *DB) SaveSticky(ctx context.Context, s pipeline.Sticky) error {
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		_, err := b.exec(`INSERT INTO stickies (repository_id, pull_request, comment_id, shown) VALUES (?, ?, ?, ?)
			ON CONFLICT (repository_id, pull_request) DO UPDATE SET comment_id = excluded.comment_id, shown = excluded.shown`,
			s.RepositoryID, s.PullRequest, s.CommentID, s.Shown)
		return err
	}), fmt.Sprintf("sticky comment on #%d", s.PullRequest))
}
