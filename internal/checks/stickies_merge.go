package checks

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// mergeChanged has the comment of a pull request tell of the run of what it was merged as: that is where people look for
// what became of it.
func (s *Stickies) mergeChanged(run pipeline.Run) {
	defer s.found()
	pushes, err := s.store.Pushes(s.ctx, run.Trigger.Repository.ID, run.Trigger.SHA)
	if err != nil {
		if s.ctx.Err() == nil {
			s.log.Warn().Err(err).Str("sha", run.Trigger.SHA).Msg("could not find out which pull request was merged as a commit")
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range pushes {
		if number := pipeline.MergedAs(p.Ref); number > 0 {
			s.noted(run, number)
		}
	}
}

// gatherMerge adds the runs of what a pull request was merged as.
func (s *Stickies) gatherMerge(ctx context.Context, key pullKey, runs []pipeline.Run) ([]pipeline.Run, error) {
	merges, err := s.store.PushesTo(ctx, key.repositoryID, pipeline.MergeRef(key.number), 1)
	if err != nil {
		return nil, fmt.Errorf("what #%d was merged as: %w", key.number, err)
	}
	if len(merges) == 0 {
		return runs, nil
	}
	of, err := s.store.Runs(ctx, pipeline.RunFilter{
		RepositoryID: key.repositoryID, SHA: merges[0].SHA, Event: pipeline.EventPush, Limit: maxStickyRuns,
	})
	if err != nil {
		return nil, fmt.Errorf("runs of %s: %w", merges[0].SHA, err)
	}
	for _, run := range of {
		if len(run.Entries) > 0 {
			runs = append(runs, run)
		}
	}
	slices.SortStableFunc(runs, func(a, b pipeline.Run) int { return cmp.Compare(b.ID, a.ID) })
	return runs, nil
}

// CommentDeleted has the comment of a pull request made again, where it was ours that somebody deleted.
func (s *Stickies) CommentDeleted(ctx context.Context, repository pipeline.Repository, number int, comment int64) error {
	known, err := s.store.Sticky(ctx, repository.ID, number)
	if err != nil {
		return fmt.Errorf("comment of #%d: %w", number, err)
	}
	if known.CommentID != comment {
		return nil
	}
	known.CommentID, known.Shown = 0, ""
	if err := s.store.SaveSticky(ctx, known); err != nil {
		return fmt.Errorf("forget the comment on #%d: %w", number, err)
	}
	s.PullChanged(repository, number)
	return nil
}
