package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

const deploymentColumns = `run_id, environment, turn, deployment_id, creating, state, answered, gave_up`

func scanDeployment(v view, query string, args ...any) (m pipeline.DeploymentMirror, err error) {
	err = v.one(query, args, &m.RunID, &m.Environment, &m.Turn, &m.DeploymentID, &m.Creating, &m.State, &m.Answered, &m.GaveUp)
	return m, err
}

// DeploymentMirror tells what GitHub is known to show of a run's entry into an environment at a turn (Entry.Turn); nothing
// but its names where it shows nothing.
func (db *DB) DeploymentMirror(ctx context.Context, runID int64, environment string, turn int) (m pipeline.DeploymentMirror, err error) {
	err = db.look(ctx, func(v view) (err error) {
		m, err = scanDeployment(v, `SELECT `+deploymentColumns+` FROM deployments WHERE run_id = ? AND environment = ? AND turn = ?`,
			runID, environment, turn)
		return err
	})
	if errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.DeploymentMirror{RunID: runID, Environment: environment, Turn: turn}, nil
	}
	return m, wrap(err, fmt.Sprintf("deployment of run %d into %s", runID, environment))
}

// SaveDeploymentMirror notes what GitHub shows of a deployment; ErrNotFound for one of a run that was swept before
// anything was shown. What must not be done twice is on the disk before it returns: that a create was begun, and that
// whoever asked was answered. The rest may be forgotten in a power cut and is told again.
func (db *DB) SaveDeploymentMirror(ctx context.Context, m pipeline.DeploymentMirror) error {
	d := lazy
	if m.Creating || m.Answered != "" {
		d = durable
	}
	return wrap(db.writer.apply(ctx, d, func(b *batch) error { return b.putDeployment(m) }),
		fmt.Sprintf("deployment of run %d into %s", m.RunID, m.Environment))
}

func (b *batch) putDeployment(m pipeline.DeploymentMirror) error {
	n, err := b.exec(`UPDATE deployments SET deployment_id = ?, creating = ?, state = ?, answered = ?, gave_up = ?
		WHERE run_id = ? AND environment = ? AND turn = ?`,
		m.DeploymentID, m.Creating, m.State, m.Answered, m.GaveUp, m.RunID, m.Environment, m.Turn)
	if err == nil && n == 0 {
		n, err = b.exec(`INSERT INTO deployments (`+deploymentColumns+`, repository_id)
			SELECT id, ?, ?, ?, ?, ?, ?, ?, repository_id FROM runs WHERE id = ?`,
			m.Environment, m.Turn, m.DeploymentID, m.Creating, m.State, m.Answered, m.GaveUp, m.RunID)
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return pipeline.ErrNotFound
	}
	if m.State != deploymentSuccess {
		return nil
	}
	// The order of success, not of beginning, tells what an environment runs: the one that began first may have waited.
	_, err = b.exec(`UPDATE deployments SET succeeded =
			(SELECT coalesce(max(o.succeeded), 0) + 1 FROM deployments AS o
				WHERE o.repository_id = deployments.repository_id AND o.environment = deployments.environment)
		WHERE run_id = ? AND environment = ? AND turn = ? AND succeeded = 0`, m.RunID, m.Environment, m.Turn)
	return err
}

// deploymentSuccess is GitHub's word for a deployment that is what its environment runs.
const deploymentSuccess = "success"

// LastDeployment is the one of an environment that GitHub was told last to be a success and that nothing has been told of
// since: the one that the next success replaces. It is to be asked for before that next one is saved as a success.
// Nothing where there is none.
func (db *DB) LastDeployment(ctx context.Context, repositoryID int64, environment string) (m pipeline.DeploymentMirror, err error) {
	err = db.look(ctx, func(v view) (err error) {
		m, err = scanDeployment(v, `SELECT `+deploymentColumns+` FROM deployments
			WHERE repository_id = ? AND environment = ? AND state = 'success' ORDER BY succeeded DESC LIMIT 1`, repositoryID, environment)
		return err
	})
	if errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.DeploymentMirror{}, nil
	}
	return m, wrap(err, fmt.Sprintf("last deployment into %s", keyOf(repositoryID, environment)))
}

// sweepDeployments removes what is known of deployments of runs that are gone. One that is still a success stays: it is to
// be made inactive one day. It is lazy: after a power cut they would be swept again.
func (db *DB) sweepDeployments(ctx context.Context) error {
	return wrap(db.writer.apply(ctx, lazy, func(b *batch) error {
		_, err := b.exec(`DELETE FROM deployments WHERE state <> 'success' AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = deployments.run_id)`)
		return err
	}), "sweep deployments")
}
