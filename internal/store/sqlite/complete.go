package sqlite

import (
	"context"
	"fmt"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
)

// JobSetStateIfRunningMany notes how jobs ended. River's statement for it can do everything and is prepared anew for
// every job; in a flood it would hold up the writer for a tenth of a second at a time. So the plain case, a job that is
// done, has a statement of its own. Of such jobs no rows come back: River only passes them on to subscribers, and
// nobody subscribes. For jobs that are to be worked again the alarm is set.
func (e *executor) JobSetStateIfRunningMany(
	ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams,
) ([]*rivertype.JobRow, error) {
	plain, rest := splitCompletions(p)
	db := e.driver.db
	var rows []*rivertype.JobRow
	err := db.writer.apply(ctx, lazy, func(b *batch) error {
		for _, i := range plain {
			_, err := b.exec(`UPDATE river_job SET state = 'completed', finalized_at = ? WHERE id = ? AND state = 'running'`,
				p.FinalizedAt[i].UTC().Format(riverTime), p.ID[i])
			if err != nil {
				return fmt.Errorf("complete job %d: %w", p.ID[i], err)
			}
		}
		if len(rest.ID) == 0 {
			return nil
		}
		var err error
		rows, err = db.driver.Driver.UnwrapExecutor(b.tx).JobSetStateIfRunningMany(b.ctx, rest)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, at := range rest.ScheduledAt {
		if at != nil {
			db.alarm.set(*at)
		}
	}
	return rows, nil
}

// splitCompletions finds the jobs that are just done, by their place in p, and makes parameters of all others.
func splitCompletions(p *riverdriver.JobSetStateIfRunningManyParams) (plain []int, rest *riverdriver.JobSetStateIfRunningManyParams) {
	rest = &riverdriver.JobSetStateIfRunningManyParams{Now: p.Now, Schema: p.Schema}
	for i, state := range p.State {
		if state == rivertype.JobStateCompleted && p.Attempt[i] == nil && p.ErrData[i] == nil && p.FinalizedAt[i] != nil &&
			!p.MetadataDoMerge[i] && p.ScheduledAt[i] == nil {
			plain = append(plain, i)
			continue
		}
		rest.ID = append(rest.ID, p.ID[i])
		rest.Attempt = append(rest.Attempt, p.Attempt[i])
		rest.ErrData = append(rest.ErrData, p.ErrData[i])
		rest.FinalizedAt = append(rest.FinalizedAt, p.FinalizedAt[i])
		rest.MetadataDoMerge = append(rest.MetadataDoMerge, p.MetadataDoMerge[i])
		rest.MetadataUpdates = append(rest.MetadataUpdates, p.MetadataUpdates[i])
		rest.ScheduledAt = append(rest.ScheduledAt, p.ScheduledAt[i])
		rest.State = append(rest.State, state)
	}
	return plain, rest
}
