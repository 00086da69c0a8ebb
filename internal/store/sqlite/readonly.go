package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// OpenReadOnly opens a database that is there to read it, also while another process works with it. Whatever would change
// it is refused, by this package and by SQLite.
func OpenReadOnly(ctx context.Context, path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("path of the database: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, &MissingError{Path: path}
	} else if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db := &DB{now: time.Now, bell: newBell(), alarm: newAlarm(time.Now), deflaters: newDeflaters(1)}
	// Not mode=ro: SQLite could then not read the log of a server that was killed, whose index it has to make anew first.
	err = db.openReaders(dsn(path, "mode=rw&_txlock=deferred", "cache_size(-1024)", "query_only(1)"), 1)
	if err == nil {
		db.driver = newJobDriver(db)
		err = db.checkVersion(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), db.Close())
	}
	return db, nil
}

// MissingError says that there is no database. It is fs.ErrNotExist.
type MissingError struct{ Path string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("there is no database %s: the first start of the server with this data folder makes it", e.Path)
}

// Is makes it the error that a missing file is.
func (*MissingError) Is(target error) bool { return target == fs.ErrNotExist }

// checkVersion refuses tables of another version than ours: they are brought up to date by who may write them.
func (db *DB) checkVersion(ctx context.Context) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	var version int
	if err := db.look(ctx, func(v view) error { return v.one("PRAGMA user_version", nil, &version) }); err != nil {
		return fmt.Errorf("version of the tables: %w", err)
	}
	switch {
	case version > len(files):
		return newerTables(version, len(files))
	case version < len(files):
		return fmt.Errorf("the database has tables of version %d and this Slipway needs version %d: "+
			"start the server of this version once, it brings them up to date", version, len(files))
	}
	return nil
}
