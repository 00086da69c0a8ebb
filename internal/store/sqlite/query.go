package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// readers are the connections that read, each with statements prepared for its life. They are not left to
// database/sql's pool, where preparing a statement inside a transaction asks for a second connection: under load every
// connection would be held by someone who waits for another one.
type readers struct {
	db   *sql.DB
	free chan *reader
}

type reader struct {
	conn  *sql.Conn // nil until it is needed
	stmts map[string]*sql.Stmt
}

func newReaders(db *sql.DB, n int) *readers {
	r := &readers{db: db, free: make(chan *reader, n)}
	for range n {
		r.free <- &reader{}
	}
	return r
}

// close waits for those who read.
func (r *readers) close() error {
	var errs []error
	for range cap(r.free) {
		errs = append(errs, (<-r.free).close())
	}
	for range cap(r.free) {
		r.free <- &reader{} // for whom comes late: the pool below is closed and says so
	}
	return errors.Join(errs...)
}

func (r *reader) open(ctx context.Context, db *sql.DB) error {
	if r.conn != nil {
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connection to read: %w", err)
	}
	r.conn, r.stmts = conn, make(map[string]*sql.Stmt)
	return nil
}

func (r *reader) close() error {
	if r.conn == nil {
		return nil
	}
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	errs = append(errs, r.conn.Close())
	r.conn, r.stmts = nil, nil
	return errors.Join(errs...)
}

// discard drops a connection of which it is not known in what state it is.
func (r *reader) discard() error {
	err := r.conn.Raw(func(any) error { return driver.ErrBadConn })
	r.conn, r.stmts = nil, nil
	if errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// view is a consistent sight of the database: everything read through it is of one moment.
type view struct {
	ctx context.Context //nolint:containedctx // a view lives within one call
	r   *reader
}

// look gives fn a view. fn must not look again: it would hold one connection and wait for another.
func (db *DB) look(ctx context.Context, fn func(view) error) (err error) {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var r *reader
	select {
	case r = <-db.readers.free:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { db.readers.free <- r }()
	if err := r.open(ctx, db.read); err != nil {
		return err
	}
	// The frame of the transaction is not interrupted: it would be unknown whether there is one.
	frame := view{ctx: context.WithoutCancel(ctx), r: r}
	if err := frame.exec("BEGIN"); err != nil {
		return errors.Join(fmt.Errorf("begin to read: %w", err), r.discard())
	}
	defer func() {
		if end := frame.exec("COMMIT"); end != nil {
			err = errors.Join(err, end, r.discard())
		}
	}()
	return fn(view{ctx: ctx, r: r})
}

func (v view) stmt(query string) (*sql.Stmt, error) {
	if s, ok := v.r.stmts[query]; ok {
		return s, nil
	}
	s, err := v.r.conn.PrepareContext(v.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	v.r.stmts[query] = s
	return s, nil
}

func (v view) exec(query string) error {
	s, err := v.stmt(query) //nolint:sqlclosecheck // it stays prepared as long as the connection lives
	if err != nil {
		return err
	}
	_, err = s.ExecContext(v.ctx)
	return err
}

// one reads one row; ErrNotFound where there is none.
func (v view) one(query string, args []any, into ...any) error {
	s, err := v.stmt(query) //nolint:sqlclosecheck // it stays prepared as long as the connection lives
	if err != nil {
		return err
	}
	err = s.QueryRowContext(v.ctx, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return pipeline.ErrNotFound
	}
	return err
}

// all calls row for every row; scan reads its columns.
func (v view) all(query string, args []any, row func(scan func(...any) error) error) (err error) {
	s, err := v.stmt(query) //nolint:sqlclosecheck // it stays prepared as long as the connection lives
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(v.ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
