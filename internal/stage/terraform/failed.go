package terraform

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

func placeOf(file string, line int) string { return file + ":" + strconv.Itoa(max(line, 1)) }

// errorsOf are the diagnostics that are errors, without those that only say that there were others.
func errorsOf(diagnostics []diagnostic) []diagnostic {
	var found, hollow []diagnostic
	for _, d := range diagnostics {
		switch {
		case !d.isError():
		case d.Summary == "execution halted" || strings.Contains(d.Summary, "encountered problems during initialisation") ||
			strings.Contains(d.Summary, "encountered problems during initialization"):
			hollow = append(hollow, d)
		default:
			found = append(found, d)
		}
	}
	if len(found) == 0 {
		return hollow
	}
	return found
}

// broken is the verdict of a call of Terraform that failed.
func (a *attempt) broken(what string, exit runner.Exit) error {
	found := errorsOf(a.diagnostics)
	a.annotate(a.diagnostics)
	a.diagnostics = nil
	if lock, ok := lockOf(found); ok {
		return a.lockedError(lock)
	}
	verdict := pipeline.Verdict{Status: pipeline.StatusFailure, ExitCode: exit.Code, Signal: exit.Signal}
	switch {
	case exit.OutOfMemory:
		verdict.Title = what + " ran out of memory"
		verdict.Cause = fmt.Sprintf("%s was killed because memory ran out.", a.tool.Name)
	case len(found) == 0 && exit.Signal != "":
		verdict.Title = what + " was ended by a signal"
		verdict.Cause = fmt.Sprintf("%s was ended by signal %s.", a.tool.Name, exit.Signal)
	case len(found) == 0:
		verdict.Title = what + " failed"
		verdict.Cause = fmt.Sprintf("%s ended with exit code %d; the end of the log says why.", a.tool.Name, exit.Code)
	default:
		verdict.Title, verdict.Cause = a.describe(what, found)
	}
	return &failure{verdict}
}

const (
	maxTitle = 200
	maxCause = 1500
)

// describe makes title and cause of the first error.
func (a *attempt) describe(what string, found []diagnostic) (title, cause string) {
	d := found[0]
	summary := oneLine(d.Summary)
	title = fmt.Sprintf("%s failed: %s", what, clip(strings.TrimSuffix(summary, "."), maxTitle))
	cause = summary
	if file, line, _ := a.location(d); file != "" {
		cause = placeOf(file, line) + ": " + cause
	}
	if detail := oneLine(d.Detail); detail != "" {
		cause = strings.TrimRight(sentence(cause), ".") + ": " + detail
	}
	cause = sentence(clip(cause, maxCause))
	if rest := len(found) - 1; rest > 0 {
		title += fmt.Sprintf(", and %s", report.Count(rest, "more error"))
	}
	return title, cause
}

func clip(text string, n int) string {
	runes := []rune(text)
	if len(runes) <= n {
		return text
	}
	return string(runes[:n-1]) + "…"
}

// lockInfo is who holds a lock of the state.
type lockInfo struct {
	ID        string `json:"ID"`
	Operation string `json:"Operation"`
	Who       string `json:"Who"`
	Created   string `json:"Created"`
	Path      string `json:"Path"`
}

var lockField = regexp.MustCompile(`(?m)^\s*(ID|Operation|Who|Created|Path):[ \t]+(\S.*?)\s*$`)

// lockOf finds in the errors that the state is locked.
func lockOf(found []diagnostic) (lockInfo, bool) {
	for _, d := range found {
		if !strings.Contains(d.Summary, "acquiring the state lock") {
			continue
		}
		var lock lockInfo
		for _, m := range lockField.FindAllStringSubmatch(d.Detail, 20) {
			switch m[1] {
			case "ID":
				lock.ID = m[2]
			case "Operation":
				lock.Operation = m[2]
			case "Who":
				lock.Who = m[2]
			case "Created":
				lock.Created = m[2]
			case "Path":
				lock.Path = m[2]
			}
		}
		return lock, lock.ID != ""
	}
	return lockInfo{}, false
}

// String is "alice@laptop since 2026-11-25 16:32:33 UTC (apply)".
func (l lockInfo) String() string {
	text := first(l.Who, "somebody")
	if l.Created != "" {
		created, _, _ := strings.Cut(strings.Replace(l.Created, "T", " ", 1), ".")
		text += " since " + strings.TrimSuffix(strings.TrimSuffix(created, " +0000 UTC"), "Z") + " UTC"
	}
	if operation := strings.ToLower(strings.TrimPrefix(l.Operation, "OperationType")); operation != "" && operation != "invalid" {
		text += " (" + operation + ")"
	}
	return text
}

// unlock is the exact command that takes a lock away.
func (a *attempt) unlock(l lockInfo) string {
	return fmt.Sprintf("%s -chdir=%s force-unlock %s", a.tool.program(), a.settings.Dir, l.ID)
}

func (a *attempt) lockedError(l lockInfo) error {
	return fail("The state is locked by "+clip(l.String(), maxTitle),
		"Error acquiring the state lock: it was waited for during %s. The lock %s of %s is held by %s. If nobody works with it any more: %s",
		a.options.LockTimeout, l.ID, a.backend, l, a.unlock(l))
}
