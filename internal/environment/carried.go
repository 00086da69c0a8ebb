package environment

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// carried is what the environment still runs of stages that a rule left out of this run (paths, if): the manifests of the
// release before. Without them nothing could go back to the new release.
func (k *Keeper) carried(ctx context.Context, run pipeline.Run, environment string, current pipeline.Release) ([]pipeline.Part, []pipeline.ReleaseFile, error) {
	left := leftOut(run, environment)
	if len(left) == 0 || current.Number == 0 {
		return nil, nil, nil
	}
	var (
		parts []pipeline.Part
		files []pipeline.ReleaseFile
	)
	for _, key := range left {
		kept, err := k.filesOf(ctx, current, key)
		if errors.Is(err, pipeline.ErrNotFound) || errors.Is(err, pipeline.ErrUnreadable) {
			k.log.Error().Err(err).Str("stage", key).Msg("what the current release holds of a stage that was left out cannot be recorded again")
			continue // nothing could go back to that release either
		}
		if err != nil {
			return nil, nil, err
		}
		if value := current.Part(pipeline.PartManifests, key); value != "" {
			parts = append(parts, pipeline.Part{Kind: pipeline.PartManifests, Name: key, Value: value, Detail: fmt.Sprintf("of release %d", current.Number)})
			files = append(files, kept...)
		}
	}
	return parts, files, nil
}

// leftOut are the keys of the environment's stages that were to do nothing in this run.
func leftOut(run pipeline.Run, environment string) []string {
	var keys []string
	for _, s := range run.Current() {
		if s.Spec.Enters && s.Spec.Environment == environment && s.Spec.Skip != "" {
			keys = append(keys, s.Spec.Key)
		}
	}
	return keys
}

// filesOf reads what a release keeps of one stage: those files are named by its key.
func (k *Keeper) filesOf(ctx context.Context, r pipeline.Release, key string) ([]pipeline.ReleaseFile, error) {
	var files []pipeline.ReleaseFile
	for _, name := range r.Files {
		if !strings.HasPrefix(name, releasePrefix+key+".") {
			continue
		}
		content, err := k.store.ReleaseFile(ctx, r.RepositoryID, r.Environment, r.Number, name)
		if err != nil {
			return nil, fmt.Errorf("%s of release %d: %w", name, r.Number, err)
		}
		files = append(files, pipeline.ReleaseFile{Name: name, Content: content})
	}
	return files, nil
}
