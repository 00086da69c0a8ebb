package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/runner"
)

// cacheTrivy names the cache with Trivy's vulnerability database.
const cacheTrivy = "trivy"

const (
	// downloadFor bounds the download of a database; without one the scan goes on with what is there.
	downloadFor = 5 * time.Minute
	// askAgain is how long after a download none is tried: Trivy does not either.
	askAgain = time.Hour
)

// database is the vulnerability database of a scan.
type database struct {
	dir string
	// updated is when its content was made; zero: there is none.
	updated time.Time
	// problem says why it is missing or not the newest.
	problem string
}

// metadata is what Trivy notes beside its database.
type metadata struct{ UpdatedAt, NextUpdate, DownloadedAt time.Time }

func readMetadata(dir string) (metadata, error) {
	var m metadata
	if _, err := os.Stat(filepath.Join(dir, "db", "trivy.db")); err != nil {
		return m, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "db", "metadata.json")) //nolint:gosec // a file of our cache
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// refresh brings the database up to date where it is old. One runner at a time does so; the others then find it fresh.
func (s *scanner) refresh(ctx context.Context) (db database, err error) {
	if db.dir, err = s.a.s.CacheDir(cacheTrivy); err != nil {
		return db, err
	}
	err = s.a.s.Step(ctx, "Vulnerability database", func(ctx context.Context) (string, error) {
		unlock, err := lock(ctx, filepath.Join(db.dir, "download.lock"))
		if err != nil {
			return "", err
		}
		defer unlock()
		m, err := readMetadata(db.dir)
		now := s.a.options.Now()
		if err == nil && (now.Before(m.NextUpdate) || now.Before(m.DownloadedAt.Add(askAgain))) {
			db.updated = m.UpdatedAt
			return "of " + day(m.UpdatedAt) + ", from cache", nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.a.s.Log("The vulnerability database in the cache cannot be read, and is fetched anew: " + err.Error())
		}
		db.problem, err = s.download(ctx, db.dir)
		if err != nil {
			return "", err
		}
		if m, err = readMetadata(db.dir); err == nil {
			db.updated = m.UpdatedAt
		} else if db.problem == "" {
			db.problem = "Trivy says that it has fetched the database, but it cannot be read"
		}
		return db.detail(), nil
	})
	return db, err
}

// download fetches the database; problem is why it could not be had.
func (s *scanner) download(ctx context.Context, dir string) (problem string, err error) {
	outer := ctx
	ctx, cancel := context.WithTimeoutCause(ctx, downloadFor, errors.New("the database took too long"))
	defer cancel()
	var said complaint
	exit, err := s.a.s.Command(ctx, runner.Command{
		Args: append([]string{s.program, "image", "--download-db-only"}, s.common(dir)...),
		Line: said.hear,
	})
	switch {
	case outer.Err() != nil:
		return "", context.Cause(outer)
	case ctx.Err() != nil:
		return "it could not be fetched within " + downloadFor.String(), nil
	case err != nil:
		return "", err
	case !exit.OK():
		return "it could not be fetched (" + said.String() + ")", nil
	}
	return "", nil
}

func (d database) detail() string {
	switch {
	case d.updated.IsZero():
		return "there is none"
	case d.problem != "":
		return "of " + day(d.updated) + ", not refreshed"
	}
	return "of " + day(d.updated)
}

// lock waits for a file of which one process at a time is the holder.
func lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileReadable) //nolint:gosec // a file of our cache
	if err != nil {
		return nil, fmt.Errorf("lock the vulnerability database: %w", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- unix.Flock(int(f.Fd()), unix.LOCK_EX) }()
	select {
	case err := <-taken:
		if err != nil {
			return nil, fmt.Errorf("lock the vulnerability database: %w", errors.Join(err, f.Close()))
		}
		return func() { _ = f.Close() }, nil // closing unlocks; nothing was written
	case <-ctx.Done():
		return nil, context.Cause(ctx) // the process ends, and its wait with it
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
