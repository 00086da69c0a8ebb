package checks

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubclient"
)

// ambiguous reports whether a request that failed may have been carried out all the same.
func ambiguous(err error) bool {
	var limited *githubclient.LimitedError
	var answered *github.ErrorResponse
	switch {
	case errors.As(err, &limited):
		return false
	case errors.As(err, &answered) && answered.Response != nil:
		return answered.Response.StatusCode >= http.StatusInternalServerError
	default:
		_, refused := githubclient.Permanent(err)
		return !refused
	}
}

// learn takes an outcome into the task. wholeRun: it was refused for a reason that holds for every check of the run. The lock
// is held.
func (r *Reporter) learn(t *task, o outcome, now time.Time) (wholeRun bool) {
	t.updated = t.updated || o.wrote && t.mirror.CheckRunID != 0
	// A newer version may have come meanwhile; the mirror is this task's alone.
	t.mirror, t.shown, t.asked, t.unsure, t.unsaved = o.mirror, o.shown, o.asked, o.unsure, o.unsaved
	if o.wrote {
		t.lastWrite = now
	}
	if o.err == nil {
		t.failures, t.notBefore = 0, time.Time{}
		if t.mirror.Version == t.version {
			t.findings = o.findings // those that make annotations
		}
		return false
	}
	if _, limited := errors.AsType[*githubclient.LimitedError](o.err); limited {
		return false // the budget holds the next try back
	}
	return r.fail(t, o.err, now)
}

// fail decides whether a check is tried again, in less detail, or given up.
func (r *Reporter) fail(t *task, err error, now time.Time) (wholeRun bool) {
	t.failures++
	t.notBefore = now.Add(backoff(t.failures - 1))
	log := r.log.With().Int64("run", t.run.id).Int64("stage", t.stageID).Int64("installation", t.run.installation).Logger()
	if reason, ok := refusal(err); ok {
		t.mirror.GaveUp, t.unsaved, t.notBefore = reason, true, time.Time{}
		log.Error().Err(err).Str("do", reason).Msg("GitHub refuses a check for good; it is given up")
		return t.mirror.CheckRunID == 0 || !missing(err)
	}
	if malformed(err) {
		t.how++
		t.notBefore = now
		if t.how == detailNothingHelps {
			t.mirror.GaveUp, t.unsaved = "GitHub does not accept the check: "+firstLine(err), true
		}
		log.Error().Err(err).Int("detail", int(t.how)).Msg("GitHub calls a check malformed; it is sent in less detail. Please report this as a bug")
		return false
	}
	if t.failures == 1 || t.failures%10 == 0 {
		log.Warn().Err(err).Int("tries", t.failures).Time("again", t.notBefore).Msg("a check could not be written; it is tried again")
	}
	return false
}

// refusal finds out whether nothing that we may send would be taken, and says what to do.
func refusal(err error) (string, bool) {
	if malformed(err) && strings.Contains(strings.ToLower(err.Error()), "no commit found") {
		return "the commit is not in the repository any more: nothing is to be done", true
	}
	return githubclient.Permanent(err)
}

func malformed(err error) bool { return answeredWith(err, http.StatusUnprocessableEntity) }

func missing(err error) bool { return answeredWith(err, http.StatusNotFound) }

func answeredWith(err error, status int) bool {
	var answered *github.ErrorResponse
	return errors.As(err, &answered) && answered.Response != nil && answered.Response.StatusCode == status
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return clip(line, 300)
}
