package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// auditFlags are the flags of `slipway audit`.
type auditFlags struct{ config, since, repository, environment string }

func auditCommand() *cobra.Command {
	var flags auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Print every decision on environments as JSON lines",
		Long: `Print who wanted what of which environment, whether it was allowed, and why: one JSON object a line,
oldest first. It reads the data folder of the server, which may be running.`,
		Args: arguments(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return audit(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), flags)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.config, "config", "", "YAML file with the server's settings; the environment wins over it")
	f.StringVar(&flags.since, "since", "", "leave out earlier ones: 2026-03-01, 2026-03-01T09:30:00Z, or how long ago: 36h, 30d")
	f.StringVar(&flags.repository, "repository", "", "only of this repository, owner/name")
	f.StringVar(&flags.environment, "environment", "", "only of this environment")
	return cmd
}

func audit(ctx context.Context, out, notes io.Writer, flags auditFlags) (err error) {
	filter := pipeline.AuditFilter{Environment: flags.environment}
	if filter.Since, err = parseSince(flags.since, time.Now()); err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	owner, name, found := strings.Cut(flags.repository, "/")
	if flags.repository != "" && (!found || owner == "" || name == "" || strings.Contains(name, "/")) {
		return usageError{fmt.Errorf("--repository is owner/name, not %q", flags.repository)}
	}
	db, err := openForReading(ctx, flags.config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if flags.repository != "" {
		repository, err := db.RepositoryNamed(ctx, owner, name)
		if errors.Is(err, pipeline.ErrNotFound) {
			return fmt.Errorf("this server knows no repository %s: it is to be named as GitHub calls it now", flags.repository)
		}
		if err != nil {
			return err
		}
		filter.RepositoryID = repository.ID
	}
	n, err := printRecords(ctx, db, filter, out)
	if err == nil && n == 0 {
		_, err = fmt.Fprintln(notes, "slipway: nothing is recorded of what was asked for")
	}
	return err
}

// openForReading opens the database of the server that the settings describe.
func openForReading(ctx context.Context, file string) (*sqlite.DB, error) {
	dir, err := config.DataDir(file, config.Environ())
	if err != nil {
		return nil, err
	}
	db, err := sqlite.OpenReadOnly(ctx, filepath.Join(dir, databaseName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; if it is another one, name it with --config or SLIPWAY_DATA_DIR", err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; run this as the user that the server runs as", err)
	}
	return db, err
}

// printRecords writes a record as soon as it is read, but for what a buffer holds.
func printRecords(ctx context.Context, db *sqlite.DB, filter pipeline.AuditFilter, out io.Writer) (n int, err error) {
	buffer := bufio.NewWriter(out)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	err = db.EachRecord(ctx, filter, func(r pipeline.AuditRecord) error {
		n++
		return lines.Encode(r)
	})
	return n, errors.Join(err, buffer.Flush())
}

var errNoSince = errors.New("it is a day (2026-03-01, which begins in UTC), a time (2026-03-01T09:30:00Z), or how long ago (36h, 30d)")

// parseSince reads a day, a time, or how long ago; empty is the beginning.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	const day = 24 * time.Hour
	ago, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, problem := strconv.Atoi(days)
		if n > int(time.Duration(1<<63-1)/day) {
			problem = strconv.ErrRange
		}
		ago, err = time.Duration(n)*day, problem
	}
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q cannot be read: %w", text, errNoSince)
	}
	return now.Add(-ago), nil
}
