package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/rs/zerolog"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// Options of Open; the zero value is good.
type Options struct {
	// Logger tells of what goes wrong in the background.
	Logger zerolog.Logger
	// Now is the clock; nil: the real one.
	Now func() time.Time
	// Readers is how many connections read at a time; 0: 4.
	Readers int
}

// DB is the store. All methods are safe for concurrent use.
type DB struct {
	log       zerolog.Logger
	now       func() time.Time
	lock      *fileLock
	write     *sql.DB
	read      *sql.DB
	readers   *readers
	writer    *writer
	runs      keyedLock[int64]
	places    keyedLock[environmentKey]
	bell      *bell
	alarm     *alarm
	jobs      *river.Client[*sql.Tx]
	driver    *jobDriver
	deflaters deflaters

	// Identifiers are handed out from memory: this process is the only one that writes the file.
	lastRunID, lastStageRunID atomic.Int64
}

// Open opens the database, creates it (mode 0600) where there is none, and brings its tables up to date. Only one
// process can have it open.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("path of the database: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	db := &DB{log: o.Logger, now: o.Now, lock: lock, bell: newBell(), alarm: newAlarm(o.Now), deflaters: newDeflaters(2)}
	if err := db.open(ctx, path, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string, o Options) error {
	if err := privateFile(path); err != nil {
		return err
	}
	var err error
	// The cache of the writer holds the upper levels of every index; readers find the rest in the system's page cache.
	if db.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate", wal, walLimit, "cache_size(-4096)", "synchronous(FULL)")); err != nil {
		return fmt.Errorf("writing connection: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	if err := migrate(ctx, db.write); err != nil {
		return err
	}
	if err := db.openReaders(dsn(path, "_txlock=deferred", wal, walLimit, "cache_size(-1024)", "query_only(1)"), o.Readers); err != nil {
		return err
	}
	db.driver = newJobDriver(db)
	if db.jobs, err = river.NewClient(db.driver, &river.Config{Logger: riverLogger(o.Logger)}); err != nil {
		return fmt.Errorf("insert jobs: %w", err)
	}
	if err := db.loadSequences(ctx); err != nil {
		return err
	}
	db.writer, err = newWriter(ctx, db)
	return err
}

func (db *DB) openReaders(dsn string, n int) (err error) {
	if db.read, err = sql.Open("sqlite", dsn); err != nil {
		return fmt.Errorf("reading connections: %w", err)
	}
	db.read.SetMaxOpenConns(n + 1) // one more for what River reads
	db.read.SetConnMaxIdleTime(time.Minute)
	db.readers = newReaders(db.read, n)
	return nil
}

// Close waits for the changes under way and closes the file.
func (db *DB) Close() error {
	var errs []error
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	if db.readers != nil {
		errs = append(errs, db.readers.close())
	}
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	if db.write != nil {
		errs = append(errs, db.write.Close())
	}
	return errors.Join(append(errs, db.lock.unlock())...)
}

// Ping reports whether the file can be read.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.read.PingContext(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

func (db *DB) loadSequences(ctx context.Context) (err error) {
	rows, err := db.read.QueryContext(ctx, `SELECT name, seq FROM sqlite_sequence WHERE name IN ('runs', 'stage_runs')`)
	if err != nil {
		return fmt.Errorf("last identifiers: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last := map[string]*atomic.Int64{"runs": &db.lastRunID, "stage_runs": &db.lastStageRunID}
	for rows.Next() {
		var name string
		var seq int64
		if err := rows.Scan(&name, &seq); err != nil {
			return fmt.Errorf("last identifiers: %w", err)
		}
		last[name].Store(seq)
	}
	return rows.Err()
}

// Pragmas of connections that may write the file.
const (
	wal      = "journal_mode(WAL)"
	walLimit = "journal_size_limit(16777216)"
)

// dsn adds to parameters the pragmas of one kind of connection. The path may hold any character.
func dsn(path, parameters string, pragmas ...string) string {
	query := url.Values{}
	common := []string{"busy_timeout(10000)", "foreign_keys(1)", "temp_store(MEMORY)"}
	for _, p := range append(common, pragmas...) {
		query.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: parameters + "&" + query.Encode()}
	return u.String()
}

// privateFile makes sure that only the owner can read the file; SQLite gives its side files the same mode.
func privateFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("folder of the database: %w", err)
	}
	// Closing any descriptor of the file drops SQLite's own locks on it (POSIX): it must happen before SQLite opens it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the path is the operator's setting
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}
