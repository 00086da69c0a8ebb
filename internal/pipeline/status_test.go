package pipeline_test

import (
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestOnlyKnownStatusesAreFinal(t *testing.T) {
	open := []pipeline.Status{pipeline.StatusQueued, pipeline.StatusReady, pipeline.StatusWaiting, pipeline.StatusRunning}
	final := []pipeline.Status{
		pipeline.StatusSuccess, pipeline.StatusFailure, pipeline.StatusNeutral, pipeline.StatusSkipped, pipeline.StatusCancelled, pipeline.StatusTimedOut,
	}
	for _, s := range final {
		if !s.Final() {
			t.Errorf("%q is not final", s)
		}
	}
	for _, s := range append(open, "", "completed", "SUCCESS") {
		if s.Final() {
			t.Errorf("%q is final", s)
		}
	}
	for _, from := range append(final, "", "completed") {
		for _, to := range append(open, append(final, "")...) {
			if from.Can(to) {
				t.Errorf("%q can become %q", from, to)
			}
		}
	}
}
