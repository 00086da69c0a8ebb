package environment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// releasePrefix is how names of artifacts begin that are kept with the release.
const releasePrefix = "release/"

// maxReleaseFile bounds one of them.
const maxReleaseFile = 8 << 20

// leave records what became of a candidate that entered: a release, or a failure.
func (k *Keeper) leave(ctx context.Context, run pipeline.Run, entry pipeline.Entry) error {
	passed, culprit := run.EntryPassed(entry.Environment)
	if passed && entry.Reason == "" {
		return k.release(ctx, run, entry)
	}
	state, reason := pipeline.EntryFailed, entry.Reason
	if culprit != nil {
		if culprit.Status == pipeline.StatusCancelled {
			state = pipeline.EntryCancelled
		}
		if reason == "" {
			reason = outcomeOf(*culprit)
		}
	}
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
	if entry.Action == pipeline.ActionDestroy {
		return k.destroyed(ctx, run, entry)
	}
	files, err := k.releaseFiles(ctx, run, entry.Environment)
	if err != nil {
		return err
	}
	release, created, err := k.store.CreateRelease(ctx, k.releaseOf(run, entry, files), files)
	if err != nil {
		return fmt.Errorf("release of run %d in %s: %w", run.ID, entry.Environment, err)
	}
	if created {
		why := fmt.Sprintf("release %d", release.Number)
		if release.Of > 0 {
			why += fmt.Sprintf(", which brings back release %d", release.Of)
		}
		if err := k.record(ctx, run, entry, pipeline.AuditRecord{
			Action: string(entry.Action), Allowed: true, Why: why, Release: release.Number, Fingerprint: release.Fingerprint,
		}); err != nil {
			return err
		}
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

func (k *Keeper) releaseOf(run pipeline.Run, entry pipeline.Entry, files []pipeline.ReleaseFile) pipeline.Release {
	t := run.Trigger
	r := pipeline.Release{
		RepositoryID: t.Repository.ID, Environment: entry.Environment, Action: entry.Action, RunID: run.ID, RunNumber: run.Number,
		Commit: t.SHA, Ref: t.Ref, Branch: t.Enters(), PullRequest: t.PullRequest, Title: t.Title,
		Actor: t.Actor, Approvals: counted(entry), Outputs: outputsBefore(run, entry.Environment),
		EnteredAt: entry.EnteredAt, At: k.clock.Now(),
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

// counted are the approvals of what entered.
func counted(entry pipeline.Entry) []pipeline.Approval {
	var all []pipeline.Approval
	for _, a := range entry.Approvals {
		if a.Fingerprint == fingerprint(entry) {
			all = append(all, a)
		}
	}
	return all
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

// releaseFiles reads what the environment's stages kept for a rollback. In a rollback that is what was applied again.
func (k *Keeper) releaseFiles(ctx context.Context, run pipeline.Run, environment string) ([]pipeline.ReleaseFile, error) {
	var files []pipeline.ReleaseFile
	for _, s := range run.Current() {
		if !s.Spec.Enters || s.Spec.Environment != environment {
			continue
		}
		for _, a := range s.Result.Artifacts {
			if !strings.HasPrefix(a.Name, releasePrefix) {
				continue
			}
			content, err := k.releaseFile(ctx, s.ID, a.Name)
			if err != nil {
				return nil, fmt.Errorf("file %s of the release: %w", a.Name, err)
			}
			files = append(files, pipeline.ReleaseFile{Name: a.Name, Content: content})
		}
	}
	return files, nil
}

func (k *Keeper) releaseFile(ctx context.Context, stageRunID int64, name string) (content []byte, err error) {
	file, _, err := k.artifacts.Open(ctx, stageRunID, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, maxReleaseFile+1))
	if err == nil && len(content) > maxReleaseFile {
		err = fmt.Errorf("it is larger than %d MiB", maxReleaseFile>>20)
	}
	return content, err
}
