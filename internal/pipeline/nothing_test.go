package pipeline_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestOnlyACommitThatWasReadWantsNoRun(t *testing.T) {
	b := newBench(t, stage("a"))
	b.world.problem = fmt.Errorf("acme/shop: %w", pipeline.ErrNothingToRun)
	if _, err := b.service.Submit(t.Context(), b.trigger("aaaa")); !errors.Is(err, pipeline.ErrNotWanted) {
		t.Errorf("nothing to run: %v", err)
	}
	b.world.problem = fmt.Errorf("list the files of acme/shop: %w", pipeline.ErrNotFound)
	_, err := b.service.Submit(t.Context(), b.trigger("aaaa"))
	if err == nil || errors.Is(err, pipeline.ErrNotWanted) || errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("a commit GitHub does not know yet: %v", err)
	}
	b.world.problem = nil
	b.mustSubmit(b.trigger("aaaa"))
}
