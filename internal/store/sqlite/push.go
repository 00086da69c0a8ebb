package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// SavePush notes who pushed a commit. Of a push told again at another time the first and the last stay. It is lazy: it is called by the
// work of a delivery, and the disk takes what is committed in order. A power cut that undoes it undoes as well the later
// note that the delivery's work is done, and the delivery is worked again.
func (db *DB) SavePush(ctx context.Context, p pipeline.PushRecord) error {
	return wrap(db.writer.apply(ctx, lazy, func(b *batch) error {
		_, err := b.exec(`INSERT INTO pushes (repository_id, sha, ref, pusher, before, at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (repository_id, sha, ref, pusher) DO UPDATE SET
				before = CASE WHEN excluded.at < at THEN excluded.before ELSE before END,
				again = max(again, at, excluded.at), at = min(at, excluded.at)
				WHERE excluded.at <> at AND excluded.at <> again`,
			p.RepositoryID, p.SHA, p.Ref, p.By, p.Before, nanos(p.At))
		return err
	}), fmt.Sprintf("push of %s to %s by %s", p.SHA, p.Ref, p.By))
}

// Pushes tells who pushed a commit, newest first.
func (db *DB) Pushes(ctx context.Context, repositoryID int64, sha string) ([]pipeline.PushRecord, error) {
	pushes, err := db.pushes(ctx, `WHERE repository_id = ? AND sha = ? ORDER BY max(at, again) DESC`, repositoryID, sha)
	return pushes, wrap(err, "pushes of "+sha)
}

// PushesTo tells what was pushed to a ref, newest first; a limit of 0 is 50.
func (db *DB) PushesTo(ctx context.Context, repositoryID int64, ref string, limit int) ([]pipeline.PushRecord, error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	pushes, err := db.pushes(ctx, `WHERE repository_id = ? AND ref = ? ORDER BY max(at, again) DESC LIMIT ?`, repositoryID, ref, limit)
	return pushes, wrap(err, "pushes to "+ref)
}

func (db *DB) pushes(ctx context.Context, where string, args ...any) ([]pipeline.PushRecord, error) {
	var pushes []pipeline.PushRecord
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT repository_id, sha, ref, pusher, before, at, again FROM pushes `+where, args,
			func(scan func(...any) error) error {
				var p pipeline.PushRecord
				var at, again int64
				err := scan(&p.RepositoryID, &p.SHA, &p.Ref, &p.By, &p.Before, &at, &again)
				p.At, p.Again = fromNanos(at), fromNanos(again)
				pushes = append(pushes, p)
				return err
			})
	})
	return pushes, err
}

// SweepPushes removes pushes before that time and returns how many. One of a commit that has a run stays as long as the
// run: who pushed it counts when the run wants to enter an environment, however long it waits.
func (db *DB) SweepPushes(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		var n int64
		err := db.writer.apply(ctx, lazy, func(b *batch) (err error) {
			n, err = b.exec(`DELETE FROM pushes WHERE (repository_id, sha, ref, pusher) IN (
				SELECT repository_id, sha, ref, pusher FROM pushes AS p WHERE at < ? AND again < ?
					AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.sha = p.sha AND runs.repository_id = p.repository_id)
				ORDER BY at LIMIT 1000)`, nanos(before), nanos(before))
			return err
		})
		if err != nil {
			return total, fmt.Errorf("sweep pushes: %w", err)
		}
		total += int(n)
		if n < 1000 {
			return total, nil
		}
	}
}
