package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/rs/zerolog"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the tables up to date. Our own version is SQLite's user_version: the number of files applied.
func migrate(ctx context.Context, db *sql.DB) error {
	if err := migrateOwn(ctx, db); err != nil {
		return err
	}
	migrator, err := rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: riverLogger(zerolog.Nop())})
	if err != nil {
		return fmt.Errorf("tables of the queue: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("tables of the queue: %w", err)
	}
	return nil
}

func migrateOwn(ctx context.Context, db *sql.DB) error {
	files, err := fs.Glob(migrations, "migrations/*.sql") // sorted
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("version of the tables: %w", err)
	}
	if version > len(files) {
		return newerTables(version, len(files))
	}
	for n := version; n < len(files); n++ {
		if err := applyMigration(ctx, db, files[n], n+1); err != nil {
			return fmt.Errorf("%s: %w", files[n], err)
		}
	}
	return nil
}

func newerTables(version, known int) error {
	return fmt.Errorf("the database has tables of version %d and this Slipway knows versions up to %d: "+
		"it was used by a newer Slipway; run that one, or restore the database from before its first start", version, known)
}

func applyMigration(ctx context.Context, db *sql.DB, file string, version int) error {
	text, err := migrations.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit there is nothing to roll back; before it the error below is the one to tell
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version)); err != nil {
		return fmt.Errorf("note the version: %w", err)
	}
	return tx.Commit()
}
