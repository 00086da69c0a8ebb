package pythonenv

import (
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// Failure is a red build's reason: the repository asks for something that cannot be had. It is not our own trouble
// unless Infrastructure is set.
type Failure struct { //nolint:errname // a verdict first, which travels as an error
	Title, Cause   string
	Infrastructure bool
	Exit           runner.Exit
}

func (f *Failure) Error() string { return f.Cause }

// Verdict is how a stage ends with it.
func (f *Failure) Verdict() pipeline.Verdict {
	return pipeline.Verdict{
		Status: pipeline.StatusFailure, Title: f.Title, Cause: f.Cause, Infrastructure: f.Infrastructure,
		ExitCode: f.Exit.Code, Signal: f.Exit.Signal,
	}
}
