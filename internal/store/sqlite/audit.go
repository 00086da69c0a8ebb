package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Record adds a decision to the audit, for good: no sweep removes it. Where it has a cause, a second record of the same
// cause, action and environment in that repository changes nothing, so that work that is done twice is told once.
func (db *DB) Record(ctx context.Context, r pipeline.AuditRecord) error {
	r.ID = 0
	document, err := encode(r)
	if err != nil {
		return fmt.Errorf("record %s by %s: %w", r.Action, r.Actor, err)
	}
	return wrap(db.writer.apply(ctx, durable, func(b *batch) error {
		_, err := b.exec(`INSERT INTO audit (at, repository_id, environment, action, cause, document) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (repository_id, cause, action, environment) WHERE cause <> '' DO NOTHING`,
			nanos(r.At), r.RepositoryID, r.Environment, r.Action, r.Cause, string(document))
		return err
	}), fmt.Sprintf("record %s by %s", r.Action, r.Actor))
}

const defaultRecords = 100

// Records lists the audit, newest first.
func (db *DB) Records(ctx context.Context, f pipeline.AuditFilter) ([]pipeline.AuditRecord, error) {
	where, args := auditConditions(f)
	if f.Before != 0 {
		where, args = append(where, "id < ?"), append(args, f.Before)
	}
	limit := f.Limit
	if limit == 0 {
		limit = defaultRecords
	}
	var records []pipeline.AuditRecord
	err := db.look(ctx, func(v view) (err error) {
		records, err = v.records(where, args, "id DESC", limit)
		return err
	})
	return records, wrap(err, "list the audit")
}

// auditPage is how many records an export reads at a time.
const auditPage = 500

// EachRecord yields the audit oldest first, all of it that the filter selects; Before and Limit do not count. It reads in
// pages: whoever takes the records slowly holds up nobody. An error of yield ends it and is returned as it is.
func (db *DB) EachRecord(ctx context.Context, f pipeline.AuditFilter, yield func(pipeline.AuditRecord) error) error {
	where, args := auditConditions(f)
	where, args = append(where, "id > ?"), append(args, int64(0))
	for {
		var page []pipeline.AuditRecord
		err := db.look(ctx, func(v view) (err error) {
			page, err = v.records(where, args, "id", auditPage)
			return err
		})
		if err != nil {
			return fmt.Errorf("read the audit: %w", err)
		}
		for _, r := range page {
			if err := yield(r); err != nil {
				return err
			}
			args[len(args)-1] = r.ID
		}
		if len(page) < auditPage {
			return nil
		}
	}
}

func auditConditions(f pipeline.AuditFilter) (where []string, args []any) {
	add := func(wanted bool, condition string, value any) {
		if wanted {
			where, args = append(where, condition), append(args, value)
		}
	}
	add(f.RepositoryID != 0, "repository_id = ?", f.RepositoryID)
	add(f.Environment != "", "environment = ?", f.Environment)
	add(!f.Since.IsZero(), "at >= ?", nanos(f.Since))
	return where, args
}

// records reads a page; a negative limit is none.
func (v view) records(where []string, args []any, order string, limit int) ([]pipeline.AuditRecord, error) {
	condition := ""
	if len(where) > 0 {
		condition = " WHERE " + strings.Join(where, " AND ")
	}
	var records []pipeline.AuditRecord
	// A copy: where args has room to spare, the limit would be written into the caller's.
	values := append(append(make([]any, 0, len(args)+1), args...), limit)
	err := v.all(`SELECT id, document FROM audit`+condition+` ORDER BY `+order+` LIMIT ?`, values,
		func(scan func(...any) error) error {
			var r pipeline.AuditRecord
			var id int64
			var document string
			if err := scan(&id, &document); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(document), &r); err != nil {
				return fmt.Errorf("decode record %d: %w", id, err)
			}
			r.ID = id
			records = append(records, r)
			return nil
		})
	return records, err
}
