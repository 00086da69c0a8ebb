package environment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// releasePrefix is how names of private files begin that are kept with the release.
const releasePrefix = "release/"

// maxReleaseFile bounds one of them.
const maxReleaseFile = 8 << 20

// leave records what became of a candidate that entered: a release, or a failure.
func (k *Keeper) leave(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	passed, culprit := run.EntryPassed(entry.Environment)
	switch {
	case entry.Reason != "": // it was not let go on
		return k.failed(ctx, run, entry, pipeline.EntryFailed, entry.Reason)
	case !passed && culprit.Status == pipeline.StatusCancelled:
		return k.failed(ctx, run, entry, pipeline.EntryCancelled, outcomeOf(*culprit))
	case !passed:
		return k.failed(ctx, run, entry, pipeline.EntryFailed, outcomeOf(*culprit))
	case entry.Action == pipeline.ActionDestroy:
		return k.destroyed(ctx, run, entry)
	default:
		return k.release(ctx, run, entry)
	}
}

func (k *Keeper) failed(ctx context.Context, run pipeline.Run, entry pipeline.Entry, state pipeline.EntryState, reason string) error {
	if err := k.record(ctx, run, entry, pipeline.AuditRecord{Action: string(entry.Action), Why: reason, Fingerprint: fingerprint(entry)}); err != nil {
		return err
	}
	return k.left(ctx, run, entry, state, 0, reason)
}

func outcomeOf(s pipeline.StageRun) string {
	said := s.Result.Verdict.Title
	if said == "" {
		said = s.Reason
	}
	if said == "" {
		said = string(s.Status)
	}
	return s.Spec.Key + ": " + said
}

func fingerprint(e pipeline.Entry) string {
	if e.Candidate == nil {
		return ""
	}
	return e.Candidate.Fingerprint()
}

// release makes the release, once, and lets go of the environment.
func (k *Keeper) release(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	files, err := k.releaseFiles(ctx, run, entry.Environment)
	if bad, ok := errors.AsType[*fileError](err); ok {
		return k.failed(ctx, run, entry, pipeline.EntryFailed, "Changed, but not released: "+bad.Error())
	}
	if err != nil {
		return err
	}
	before, err := k.running(ctx, run.Trigger.Repository.ID, entry.Environment)
	if err != nil {
		return err
	}
	parts, more, err := k.carried(ctx, run, entry.Environment, before)
	if err != nil {
		return err
	}
	files = append(files, more...)
	made := k.releaseOf(run, entry, files, before)
	made.Parts = append(made.Parts, parts...)
	release, created, err := k.store.CreateRelease(ctx, made, files)
	if err != nil {
		return fmt.Errorf("release of run %d in %s: %w", run.ID, entry.Environment, err)
	}
	why := fmt.Sprintf("release %d", release.Number)
	if release.Of > 0 {
		why += fmt.Sprintf(", which brings back release %d", release.Of)
	}
	if err := k.record(ctx, run, entry, pipeline.AuditRecord{
		Action: string(entry.Action), Allowed: true, Why: why, Release: release.Number, Fingerprint: release.Fingerprint,
	}); err != nil {
		return err
	}
	if created {
		k.logger(run, entry).Info().Int64("release", release.Number).Msg("released")
	}
	return k.left(ctx, run, entry, pipeline.EntryDone, release.Number, "")
}

func (k *Keeper) destroyed(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	if _, err := k.store.ChangeEnvironment(ctx, run.Trigger.Repository.ID, entry.Environment, func(s *pipeline.EnvironmentState) error {
		s.Release = 0
		return nil
	}); err != nil {
		return fmt.Errorf("state of %s: %w", entry.Environment, err)
	}
	if err := k.record(ctx, run, entry, pipeline.AuditRecord{
		Action: string(entry.Action), Allowed: true, Why: "the infrastructure was taken down", Fingerprint: fingerprint(entry),
	}); err != nil {
		return err
	}
	return k.left(ctx, run, entry, pipeline.EntryDone, 0, "destroyed")
}

func (k *Keeper) left(ctx context.Context, run pipeline.Run, entry pipeline.Entry, state pipeline.EntryState, release int64, reason string) error {
	// The run is recorded first, then the environment is let go of, by the job that comes with it.
	return k.change(ctx, run.ID, func(r *pipeline.Run) []pipeline.Job {
		return r.LeaveEntry(entry.Environment, state, release, reason, k.clock.Now())
	})
}

// running is the release that an environment runs; an empty one where that is none of ours.
func (k *Keeper) running(ctx context.Context, repositoryID int64, environment string) (pipeline.Release, error) {
	state, err := k.store.EnvironmentState(ctx, repositoryID, environment)
	if err != nil {
		return pipeline.Release{}, fmt.Errorf("state of %s: %w", environment, err)
	}
	if state.Release == 0 {
		return pipeline.Release{}, nil
	}
	release, err := k.store.Release(ctx, repositoryID, environment, state.Release)
	if err != nil {
		return pipeline.Release{}, fmt.Errorf("release %d of %s: %w", state.Release, environment, err)
	}
	return release, nil
}

func (k *Keeper) releaseOf(run pipeline.Run, entry pipeline.Entry, files []pipeline.ReleaseFile, before pipeline.Release) pipeline.Release {
	t := run.Trigger
	r := pipeline.Release{
		RepositoryID: t.Repository.ID, Environment: entry.Environment, Action: entry.Action, RunID: run.ID, RunNumber: run.Number,
		Commit: t.SHA, Ref: t.Ref, Branch: t.Enters(), PullRequest: t.PullRequest, Title: t.Title,
		Actor: t.Actor, Approvals: entry.Approvals, Outputs: outputsBefore(run, entry.Environment),
		Infrastructure: run.Infrastructure(entry.Environment, before),
		EnteredAt:      entry.EnteredAt, At: k.clock.Now(),
	}
	if c := entry.Candidate; c != nil {
		r.Base, r.Configuration, r.Fingerprint = c.Base, c.Configuration, c.Fingerprint()
		r.Parts = run.CandidateOf(entry.Environment, pipeline.EnvironmentDefinition{}, "").Parts
	}
	if run.Restores != nil {
		r.Of = run.Restores.Number
	}
	for _, f := range files {
		r.Files = append(r.Files, f.Name)
	}
	return r
}

// outputsBefore are what the stages outside of the environment told, as the variables that stages see.
func outputsBefore(run pipeline.Run, environment string) map[string]string {
	outputs := make(map[string]string)
	if run.Restores != nil {
		maps.Copy(outputs, run.Restores.Outputs)
	}
	maps.Copy(outputs, run.OutputsOutside(environment))
	return outputs
}

// fileError is a file that cannot be kept with a release, however often that is tried.
type fileError struct{ name, why string }

func (e *fileError) Error() string { return fmt.Sprintf("%s %s", e.name, e.why) }

// releaseFiles reads what the environment's stages kept to themselves for a rollback. In a rollback that is what was applied
// again.
func (k *Keeper) releaseFiles(ctx context.Context, run pipeline.Run, environment string) ([]pipeline.ReleaseFile, error) {
	var files []pipeline.ReleaseFile
	seen := make(map[string]bool)
	for _, s := range run.Current() {
		if !s.Spec.Enters || s.Spec.Environment != environment {
			continue
		}
		for _, a := range s.Result.Private {
			if !strings.HasPrefix(a.Name, releasePrefix) {
				continue
			}
			if seen[a.Name] {
				return nil, &fileError{a.Name, "is kept by two stages"}
			}
			seen[a.Name] = true
			content, err := k.releaseFile(ctx, s.ID, a.Name)
			if err != nil {
				return nil, fmt.Errorf("files of the release: %w", err)
			}
			files = append(files, pipeline.ReleaseFile{Name: a.Name, Content: content})
		}
	}
	return files, nil
}

func (k *Keeper) releaseFile(ctx context.Context, stageRunID int64, name string) ([]byte, error) {
	content, err := k.artifacts.Private(ctx, stageRunID, name)
	switch {
	case errors.Is(err, pipeline.ErrNotFound):
		return nil, &fileError{name, "is no longer kept"}
	case errors.Is(err, pipeline.ErrUnreadable):
		return nil, &fileError{name, "cannot be decrypted: it is damaged, or private.key was lost"}
	case err != nil:
		return nil, err
	case len(content) > maxReleaseFile:
		return nil, &fileError{name, fmt.Sprintf("is larger than %d MiB", maxReleaseFile>>20)}
	}
	return content, nil
}
