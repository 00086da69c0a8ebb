package sqlite

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
	"github.com/rs/zerolog"
)

// jobDriver is River's driver for SQLite with three differences: what River writes goes through the one writer and shares
// its commits, workers are woken by the bell, and what River reads goes through the readers. A write of River that is
// not led to the writer below fails on the readers' connections, which are read-only.
type jobDriver struct {
	*riversqlite.Driver
	db *DB
}

func newJobDriver(db *DB) *jobDriver { return &jobDriver{Driver: riversqlite.New(db.read), db: db} }

// RiverDriver is what a River client works with.
func (db *DB) RiverDriver() riverdriver.Driver[*sql.Tx] { return db.driver }

func (d *jobDriver) GetExecutor() riverdriver.Executor {
	return &executor{Executor: d.Driver.GetExecutor(), driver: d}
}

func (d *jobDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener {
	return d.db.bell.listener()
}

func (d *jobDriver) UnwrapExecutor(tx *sql.Tx) riverdriver.ExecutorTx {
	return &executorTx{d.Driver.UnwrapExecutor(tx)}
}

func (d *jobDriver) UnwrapTx(tx riverdriver.ExecutorTx) *sql.Tx {
	if ours, ok := tx.(*executorTx); ok {
		tx = ours.ExecutorTx
	}
	return d.Driver.UnwrapTx(tx)
}

// executorTx leaves out the notification table: the writer rings the bell after the commit.
type executorTx struct{ riverdriver.ExecutorTx }

func (*executorTx) NotifyMany(context.Context, *riverdriver.NotifyManyParams) error { return nil }

// executor leads River's writes to the writer. They are lazy: what a power cut can undo of them is that a job was
// taken or finished, and such a job is simply worked again.
type executor struct {
	riverdriver.Executor
	driver *jobDriver
}

// throughWriter carries out one of River's writes inside the writer's transaction.
func throughWriter[P, R any](
	ctx context.Context, e *executor, method func(riverdriver.ExecutorTx, context.Context, P) (R, error), params P,
) (result R, err error) {
	db := e.driver.db
	err = db.writer.apply(ctx, lazy, func(b *batch) error {
		var err error
		result, err = method(db.driver.Driver.UnwrapExecutor(b.tx), b.ctx, params)
		return err
	})
	return result, err
}

func (e *executor) JobGetAvailable(ctx context.Context, p *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	return throughWriter(ctx, e, riverdriver.ExecutorTx.JobGetAvailable, p)
}

func (e *executor) JobSchedule(ctx context.Context, p *riverdriver.JobScheduleParams) ([]*riverdriver.JobScheduleResult, error) {
	return throughWriter(ctx, e, riverdriver.ExecutorTx.JobSchedule, p)
}

func (e *executor) JobDeleteBefore(ctx context.Context, p *riverdriver.JobDeleteBeforeParams) (int, error) {
	return throughWriter(ctx, e, riverdriver.ExecutorTx.JobDeleteBefore, p)
}

func (e *executor) QueueCreateOrSetUpdatedAt(ctx context.Context, p *riverdriver.QueueCreateOrSetUpdatedAtParams) (*rivertype.Queue, error) {
	return throughWriter(ctx, e, riverdriver.ExecutorTx.QueueCreateOrSetUpdatedAt, p)
}

// riverLogger tells of River what is a warning or worse: the rest is its inner life.
func riverLogger(log zerolog.Logger) *slog.Logger {
	return slog.New(zerolog.NewSlogHandler(log.Level(max(log.GetLevel(), zerolog.WarnLevel))))
}
