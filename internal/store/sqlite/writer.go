package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

const (
	// maxBatch bounds a transaction, and with it how long a commit takes and a crash can undo.
	maxBatch = 512
	// backlog is how many changes can wait before callers wait to hand theirs over.
	backlog = 1024
)

// errClosed is the answer to changes that come after Close.
var errClosed = errors.New("the database is closed")

// errReadOnly is the answer to changes of a database that was opened to be read.
var errReadOnly = errors.New("the database is open to be read only")

// durability says what a commit promises.
type durability int

const (
	// lazy: survives the death of the process, and a power cut once anything durable is committed after it. It is for
	// what may be done twice: which job is being worked, what GitHub already shows.
	lazy durability = iota
	// durable: on the disk before the caller goes on.
	durable
)

// change is what a caller hands to the writer: do runs inside the transaction, in the writer's goroutine. It must not
// wait for another change.
type change struct {
	do      func(*batch) error
	durable durability
	// taken by the writer, or by the caller who gave up waiting.
	taken atomic.Bool
	err   error
	done  chan struct{}
}

// writer is the one goroutine that changes the database.
type writer struct {
	db      *DB
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt
	changes chan *change
	// synchronous is what the connection's pragma of that name is set to.
	synchronous durability

	closing sync.RWMutex
	closed  bool
	stopped chan struct{}
}

func newWriter(ctx context.Context, db *DB) (*writer, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("writing connection: %w", err)
	}
	w := &writer{
		db: db, conn: conn, stmts: make(map[string]*sql.Stmt), changes: make(chan *change, backlog),
		synchronous: durable, stopped: make(chan struct{}),
	}
	go w.run(context.WithoutCancel(ctx))
	return w, nil
}

// apply hands a change to the writer and waits until it is committed. When ctx ends before the writer has begun with
// it, nothing happens; after that the outcome is awaited, so that an error always means "not done".
func (w *writer) apply(ctx context.Context, d durability, do func(*batch) error) error {
	if w == nil {
		return errReadOnly
	}
	c := &change{do: do, durable: d, done: make(chan struct{})}
	if err := w.hand(ctx, c); err != nil {
		return err
	}
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		if c.taken.CompareAndSwap(false, true) {
			return context.Cause(ctx)
		}
		<-c.done
		return c.err
	}
}

func (w *writer) hand(ctx context.Context, c *change) error {
	w.closing.RLock()
	defer w.closing.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.changes <- c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (w *writer) close() error {
	w.closing.Lock()
	if !w.closed {
		w.closed = true
		close(w.changes)
	}
	w.closing.Unlock()
	<-w.stopped
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	w.stmts = nil
	if err := w.conn.Close(); !errors.Is(err, sql.ErrConnDone) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (w *writer) run(ctx context.Context) {
	defer close(w.stopped)
	for first := range w.changes {
		batch := w.collect(first)
		if len(batch) == 0 {
			continue
		}
		if err := w.commit(ctx, batch); err != nil {
			for _, c := range batch {
				c.err = err
			}
		}
		for _, c := range batch {
			close(c.done)
		}
	}
}

// collect takes what waits, without waiting for more: a lone change is committed at once, and while it is being synced
// to the disk the next batch gathers.
func (w *writer) collect(first *change) []*change {
	var taken []*change
	for c, more := first, true; more; {
		if c.taken.CompareAndSwap(false, true) {
			taken = append(taken, c)
		}
		if len(taken) == maxBatch {
			break
		}
		select {
		case c, more = <-w.changes:
		default:
			more = false
		}
	}
	return taken
}

// commit carries out a batch. A change that fails alone leaves its error in itself; an error returned is everybody's.
func (w *writer) commit(ctx context.Context, changes []*change) (err error) {
	if err := w.setSynchronous(ctx, changes); err != nil {
		return err
	}
	tx, err := w.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	b := &batch{w: w, ctx: ctx, tx: tx, wake: make(map[string]struct{})}
	defer func() {
		if err == nil {
			return
		}
		if undone := ignoreDone(tx.Rollback()); undone != nil { // a change's own error goes back as it is
			err = errors.Join(err, undone)
		}
	}()
	for _, c := range changes {
		if c.err, err = b.carryOut(c, len(changes) == 1); err != nil {
			return err
		}
	}
	if len(changes) == 1 && changes[0].err != nil {
		return changes[0].err // alone it had no savepoint: all of it is rolled back
	}
	if err := b.insertJobs(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	b.tell()
	return nil
}

// setSynchronous chooses whether this commit waits for the disk. The pragma takes effect between transactions only.
func (w *writer) setSynchronous(ctx context.Context, changes []*change) error {
	want := lazy
	for _, c := range changes {
		want = max(want, c.durable)
	}
	if want == w.synchronous {
		return nil
	}
	pragma := "PRAGMA synchronous = NORMAL"
	if want == durable {
		pragma = "PRAGMA synchronous = FULL"
	}
	if _, err := w.conn.ExecContext(ctx, pragma); err != nil {
		return fmt.Errorf("%s: %w", pragma, err)
	}
	w.synchronous = want
	return nil
}
