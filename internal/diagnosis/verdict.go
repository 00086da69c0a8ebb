package diagnosis

import (
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func timedOut(v pipeline.Verdict) bool { return v.Status == pipeline.StatusTimedOut }

// killed: the kernel ended it, and nobody asked for that. 137 is how a shell reports a child killed so.
func killed(v pipeline.Verdict) bool {
	return strings.Contains(v.Cause, "memory ran out") || v.Signal == "killed" || v.ExitCode == 137
}

func notExecutable(v pipeline.Verdict) bool { return v.ExitCode == 126 }
