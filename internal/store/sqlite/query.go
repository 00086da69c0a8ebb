package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// queries prepares the statements of readers once a connection.
type queries struct {
	db    *sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

func newQueries(db *sql.DB) *queries { return &queries{db: db, stmts: make(map[string]*sql.Stmt)} }

func (q *queries) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s, ok := q.stmts[query]; ok {
		return s, nil
	}
	s, err := q.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	q.stmts[query] = s
	return s, nil
}

func (q *queries) close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var errs []error
	for _, s := range q.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// view is a consistent sight of the database: everything read through it is of one moment.
type view struct {
	ctx context.Context //nolint:containedctx // a view lives within one call
	q   *queries
	tx  *sql.Tx
}

// look gives fn a view.
func (db *DB) look(ctx context.Context, fn func(view) error) error {
	tx, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to read: %w", err)
	}
	if err := fn(view{ctx: ctx, q: db.queries, tx: tx}); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return ignoreDone(tx.Rollback())
}

func (v view) one(query string, args []any, into ...any) error {
	s, err := v.q.stmt(v.ctx, query)
	if err != nil {
		return err
	}
	return notFound(v.tx.StmtContext(v.ctx, s).QueryRowContext(v.ctx, args...).Scan(into...))
}

// all calls row for every row; scan reads its columns.
func (v view) all(query string, args []any, row func(scan func(...any) error) error) error {
	s, err := v.q.stmt(v.ctx, query)
	if err != nil {
		return err
	}
	rows, err := v.tx.StmtContext(v.ctx, s).QueryContext(v.ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return pipeline.ErrNotFound
	}
	return err
}
