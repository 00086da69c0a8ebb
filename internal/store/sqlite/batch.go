package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
	modernc "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// batch is a transaction under way.
type batch struct {
	w   *writer
	ctx context.Context //nolint:containedctx // of the transaction, never cancelled; a batch lives as long as it
	tx  *sql.Tx
	// jobs are inserted together at the end.
	jobs []river.InsertManyParams
	// wake are the queues to wake after the commit, and dueAt the first time a delayed job is due.
	wake  map[string]struct{}
	dueAt time.Time
}

// carryOut runs one change. own is the change's own failure, which undoes that change alone; err is the database's,
// after which nothing of the transaction can be trusted.
func (b *batch) carryOut(c *change, alone bool) (own, err error) {
	jobs := len(b.jobs)
	if !alone {
		if _, err := b.exec("SAVEPOINT one"); err != nil {
			return nil, err
		}
	}
	own = b.protect(c)
	if own != nil {
		b.jobs = b.jobs[:jobs]
		if brokeTransaction(own) {
			return nil, own
		}
	}
	if alone {
		return own, nil
	}
	if own != nil {
		if _, err := b.exec("ROLLBACK TO one"); err != nil {
			return nil, err
		}
	}
	_, err = b.exec("RELEASE one")
	return own, err
}

// protect turns a panic of a caller's function into an error of that caller: the writer must go on.
func (b *batch) protect(c *change) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while changing the database: %v\n%s", p, debug.Stack())
		}
	}()
	return c.do(b)
}

// brokeTransaction reports errors after which SQLite may have rolled back the whole transaction by itself.
func brokeTransaction(err error) bool {
	var e *modernc.Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Code()&0xff != codes.SQLITE_CONSTRAINT
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// stmt is prepared once for the life of the connection. It belongs to the connection, not to the transaction, and the
// connection has no other transaction than ours.
func (b *batch) stmt(query string) (*sql.Stmt, error) {
	if s, ok := b.w.stmts[query]; ok {
		return s, nil
	}
	s, err := b.w.conn.PrepareContext(b.ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	b.w.stmts[query] = s
	return s, nil
}

func (b *batch) exec(query string, args ...any) (affected int64, err error) {
	s, err := b.stmt(query) //nolint:sqlclosecheck // it stays prepared as long as the connection lives
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(b.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// one reads one row; sql.ErrNoRows where there is none.
func (b *batch) one(query string, args []any, into ...any) error {
	s, err := b.stmt(query) //nolint:sqlclosecheck // it stays prepared as long as the connection lives
	if err != nil {
		return err
	}
	return s.QueryRowContext(b.ctx, args...).Scan(into...)
}

// tell wakes, after the commit, who has something to do.
func (b *batch) tell() {
	b.w.db.bell.ring(b.wake)
	if !b.dueAt.IsZero() {
		b.w.db.alarm.set(b.dueAt)
	}
}
