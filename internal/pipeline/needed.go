package pipeline

import (
	"context"
	"errors"
	"fmt"
)

// NeedsTask reports whether an attempt that has not ended may still ask for what the executor keeps of a task. What is
// not needed belongs to a run that is no longer kept, was given up, or has ended without the clean-up.
func (e *Engine) NeedsTask(ctx context.Context, id string) (bool, error) {
	var runID, stageRunID int64
	var attempt int
	if _, err := fmt.Sscanf(id, "r%d-s%d-a%d", &runID, &stageRunID, &attempt); err != nil {
		return false, nil //nolint:nilerr // the error is the answer: it is no task of an attempt
	}
	run, err := e.store.RunOfStage(ctx, stageRunID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("run of task %s: %w", id, err)
	}
	s := run.Stage(stageRunID)
	return taskID(*s) == id && !s.Status.Final(), nil
}
