package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// CreateRelease stores a release with its files under the next number of its environment, and makes it the one that the
// environment runs, in one transaction. Of one way into an environment (run, environment, EnteredAt) there is one release:
// where it exists already, that one is returned, created is false, and nothing changes. Releases and their files are never
// altered or removed, whatever becomes of the run they name.
func (db *DB) CreateRelease(
	ctx context.Context, release pipeline.Release, files []pipeline.ReleaseFile,
) (stored pipeline.Release, created bool, err error) {
	key := keyOf(release.RepositoryID, release.Environment)
	packed, err := db.pack(files)
	if err != nil {
		return pipeline.Release{}, false, fmt.Errorf("release in %s: %w", key, err)
	}
	release.Files = nil
	for _, f := range files {
		release.Files = append(release.Files, f.Name)
	}
	unlock, err := db.places.lock(ctx, key)
	if err != nil {
		return pipeline.Release{}, false, err
	}
	defer unlock()
	err = db.writer.apply(ctx, durable, func(b *batch) error {
		stored, created = pipeline.Release{}, false
		var document string
		err := b.one(`SELECT document FROM releases WHERE run_id = ? AND environment = ? AND entered_at = ?`,
			[]any{release.RunID, release.Environment, nanos(release.EnteredAt)}, &document)
		if err == nil {
			return json.Unmarshal([]byte(document), &stored)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		stored, created = release, true
		return b.createRelease(&stored, packed)
	})
	if err != nil {
		return pipeline.Release{}, false, fmt.Errorf("store a release in %s: %w", key, err)
	}
	return stored, created, nil
}

// packedFile is a file as it is stored.
type packedFile struct {
	name     string
	size     int
	deflated bool
	content  []byte
}

// pack compresses in the caller's goroutine: the writer has other things to do.
func (db *DB) pack(files []pipeline.ReleaseFile) ([]packedFile, error) {
	packed := make([]packedFile, 0, len(files))
	for _, f := range files {
		if slices.ContainsFunc(packed, func(p packedFile) bool { return p.name == f.Name }) {
			return nil, fmt.Errorf("two of its files have the name %s", f.Name)
		}
		content, deflated, err := db.deflaters.deflate(f.Content)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Name, err)
		}
		if content == nil {
			content = []byte{} // an empty file, and not none
		}
		packed = append(packed, packedFile{name: f.Name, size: len(f.Content), deflated: deflated, content: content})
	}
	return packed, nil
}

func (b *batch) createRelease(r *pipeline.Release, files []packedFile) error {
	err := b.one(`SELECT coalesce(max(number), 0) + 1 FROM releases WHERE repository_id = ? AND environment = ?`,
		[]any{r.RepositoryID, r.Environment}, &r.Number)
	if err != nil {
		return fmt.Errorf("its number: %w", err)
	}
	document, err := encode(r)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	var id int64
	err = b.one(`INSERT INTO releases (repository_id, environment, number, run_id, entered_at, document) VALUES (?, ?, ?, ?, ?, ?)
		RETURNING id`, []any{r.RepositoryID, r.Environment, r.Number, r.RunID, nanos(r.EnteredAt), string(document)}, &id)
	if err != nil {
		return err
	}
	for _, f := range files {
		_, err := b.exec(`INSERT INTO release_files (release_id, name, size, deflated, content) VALUES (?, ?, ?, ?, ?)`,
			id, f.name, f.size, f.deflated, f.content)
		if err != nil {
			return fmt.Errorf("file %s: %w", f.name, err)
		}
	}
	return b.setRelease(r.RepositoryID, r.Environment, r.Number)
}

// Release implements pipeline.Releases.
func (db *DB) Release(ctx context.Context, repositoryID int64, environment string, number int64) (pipeline.Release, error) {
	var found []pipeline.Release
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT document FROM releases WHERE repository_id = ? AND environment = ? AND number = ?`,
			[]any{repositoryID, environment, number}, decodeInto(&found))
	})
	if err == nil && len(found) == 0 {
		err = pipeline.ErrNotFound
	}
	if err != nil {
		return pipeline.Release{}, fmt.Errorf("release %d of %s: %w", number, keyOf(repositoryID, environment), err)
	}
	return found[0], nil
}

// errBeforeOfNothing refuses a page that would be the first one again and again.
var errBeforeOfNothing = errors.New("a number of a release says nothing without its environment")

// Releases lists releases, newest first.
func (db *DB) Releases(ctx context.Context, f pipeline.ReleaseFilter) ([]pipeline.Release, error) {
	if f.Before != 0 && f.Environment == "" {
		return nil, fmt.Errorf("list releases: %w", errBeforeOfNothing)
	}
	where, args := []string{"repository_id = ?"}, []any{f.RepositoryID}
	order := "id"
	if f.Environment != "" {
		where, args, order = append(where, "environment = ?"), append(args, f.Environment), "number"
	}
	if f.Before != 0 {
		where, args = append(where, "number < ?"), append(args, f.Before)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	var releases []pipeline.Release
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT document FROM releases WHERE `+strings.Join(where, " AND ")+` ORDER BY `+order+` DESC LIMIT ?`,
			append(args, limit), decodeInto(&releases))
	})
	return releases, wrap(err, "list releases")
}

// ReleaseFile implements pipeline.Releases.
func (db *DB) ReleaseFile(ctx context.Context, repositoryID int64, environment string, number int64, name string) ([]byte, error) {
	var content []byte
	err := db.look(ctx, func(v view) error {
		var f packedFile
		err := v.one(`SELECT size, deflated, content FROM release_files WHERE name = ? AND release_id =
				(SELECT id FROM releases WHERE repository_id = ? AND environment = ? AND number = ?)`,
			[]any{name, repositoryID, environment, number}, &f.size, &f.deflated, &f.content)
		if err != nil {
			return err
		}
		content, err = inflate(f.content, f.deflated, f.size)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("file %s of release %d of %s: %w", name, number, keyOf(repositoryID, environment), err)
	}
	return content, nil
}
