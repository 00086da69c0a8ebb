package sqlite

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Repositories lists those the App is installed on, by name.
func (db *DB) Repositories(ctx context.Context) ([]pipeline.Repository, error) {
	var repositories []pipeline.Repository
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT id, owner, name, default_branch, installation_id, private, clone_url FROM repositories
			WHERE listed = 1 ORDER BY owner, name, id`, nil,
			func(scan func(...any) error) error {
				var r pipeline.Repository
				err := scan(&r.ID, &r.Owner, &r.Name, &r.DefaultBranch, &r.InstallationID, &r.Private, &r.CloneURL)
				repositories = append(repositories, r)
				return err
			})
	})
	return repositories, wrap(err, "list repositories")
}

// RepositoryNamed finds a repository by its name, whether the App is still installed on it or not; ErrNotFound. Of several
// that had the name one after the other, the one that has it now counts. Case does not count, as on GitHub.
func (db *DB) RepositoryNamed(ctx context.Context, owner, name string) (r pipeline.Repository, err error) {
	err = db.look(ctx, func(v view) error {
		return v.one(`SELECT id, owner, name, default_branch, installation_id, private, clone_url FROM repositories
			WHERE owner = ? AND name = ? ORDER BY listed DESC, updated_at DESC LIMIT 1`, []any{owner, name},
			&r.ID, &r.Owner, &r.Name, &r.DefaultBranch, &r.InstallationID, &r.Private, &r.CloneURL)
	})
	return r, wrap(err, "repository "+owner+"/"+name)
}

// Repository returns what is known of a repository now, listed or not; ErrNotFound. Runs keep what they were started
// with: an older name, perhaps, or an installation that is gone.
func (db *DB) Repository(ctx context.Context, id int64) (pipeline.Repository, error) {
	r := pipeline.Repository{ID: id}
	err := db.look(ctx, func(v view) error {
		return v.one(`SELECT owner, name, default_branch, installation_id, private, clone_url FROM repositories WHERE id = ?`,
			[]any{id}, &r.Owner, &r.Name, &r.DefaultBranch, &r.InstallationID, &r.Private, &r.CloneURL)
	})
	if err != nil {
		return pipeline.Repository{}, fmt.Errorf("repository %d: %w", id, err)
	}
	return r, nil
}

// SaveRepository notes that the App is installed on a repository, or what has changed of it.
func (db *DB) SaveRepository(ctx context.Context, r pipeline.Repository) error {
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		_, err := b.exec(`INSERT INTO repositories (id, owner, name, default_branch, installation_id, private, clone_url, updated_at, listed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
			ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, name = excluded.name, default_branch = excluded.default_branch,
				installation_id = excluded.installation_id, private = excluded.private, clone_url = excluded.clone_url,
				updated_at = excluded.updated_at, listed = 1`,
			r.ID, r.Owner, r.Name, r.DefaultBranch, r.InstallationID, r.Private, r.CloneURL, nanos(b.w.db.now()))
		return err
	}), "repository "+r.FullName())
}

// RemoveRepository notes that the App is no longer installed on a repository. Its runs stay until they are swept, and
// their numbers go on if it comes back. One that is not known is no error.
func (db *DB) RemoveRepository(ctx context.Context, id int64) error {
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		_, err := b.exec(`UPDATE repositories SET listed = 0, updated_at = ? WHERE id = ?`, nanos(b.w.db.now()), id)
		return err
	}), fmt.Sprintf("repository %d", id))
}
