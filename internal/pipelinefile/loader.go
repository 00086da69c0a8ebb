package pipelinefile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Files reads repositories. ref is a commit's SHA or refs/heads/NAME.
type Files interface {
	// Read returns a file's content; pipeline.ErrNotFound where the file, the ref or the repository does not exist or
	// may not be seen. It need not return more than 256 KiB and one byte.
	Read(ctx context.Context, repository pipeline.Repository, ref, path string) ([]byte, error)
	// List returns the paths of all files of a commit, with slashes.
	List(ctx context.Context, repository pipeline.Repository, ref string) ([]string, error)
	// DefaultHead returns the SHA the default branch holds now. Of an owner's .github repository only owner, name and
	// installation are known. pipeline.ErrNotFound as above, and for an empty repository.
	DefaultHead(ctx context.Context, repository pipeline.Repository) (string, error)
}

// Loader finds the definition that counts for a trigger. It is safe for concurrent use. The definitions it returns
// share memory: treat them as read-only.
type Loader struct {
	files Files
	cache *definitionCache
}

// NewLoader keeps nothing but what it has parsed.
func NewLoader(files Files) *Loader {
	return &Loader{files: files, cache: newDefinitionCache()}
}

// Definition implements pipeline.Definitions. Stages come from the trigger's commit, for forks from the branch they
// want to enter; environments, with all that guards them, from the default branch; the organisation's rules are merged.
// The error is *pipeline.InvalidDefinitionError for a file with problems, and wraps pipeline.ErrNothingToRun where there
// is no file and nothing to infer stages from.
func (l *Loader) Definition(ctx context.Context, t pipeline.Trigger) (pipeline.Definition, error) {
	org, defaultHead, err := l.guards(ctx, t)
	if err != nil {
		return pipeline.Definition{}, err
	}
	ref := definitionRef(t, defaultHead)
	definition, err := l.repositoryFile(ctx, t.Repository, ref)
	if missing, ok := errors.AsType[*absence](err); ok {
		return withoutFile(t.Repository, missing.paths, org)
	}
	if err != nil {
		return pipeline.Definition{}, err
	}
	if ref != defaultHead {
		if definition, err = l.guarded(ctx, t.Repository, defaultHead, definition); err != nil {
			return pipeline.Definition{}, err
		}
	}
	return Merge(org, definition), nil
}

// Environments are those of the default branch as it is now, under the organisation's rules. A file with problems is an
// *pipeline.InvalidDefinitionError; without a file there are none.
func (l *Loader) Environments(ctx context.Context, r pipeline.Repository) ([]pipeline.EnvironmentDefinition, error) {
	head, err := l.files.DefaultHead(ctx, r)
	if errors.Is(err, pipeline.ErrNotFound) {
		return nil, nil // nothing was ever pushed to the default branch
	}
	if err != nil {
		return nil, fmt.Errorf("head of the default branch of %s: %w", r.FullName(), err)
	}
	definition, err := l.Definition(ctx, pipeline.Trigger{Event: pipeline.EventPush, Repository: r, SHA: head})
	if errors.Is(err, pipeline.ErrNothingToRun) {
		return nil, nil
	}
	return definition.Environments, err
}

// guards asks at once for the organisation's rules and for where the repository's own guards are: two answers of GitHub
// in the time of one.
func (l *Loader) guards(ctx context.Context, t pipeline.Trigger) (org pipeline.Definition, defaultHead string, err error) {
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		org, err = l.organisation(inner, t.Repository)
		return err
	})
	group.Go(func() (err error) {
		defaultHead, err = l.files.DefaultHead(inner, t.Repository)
		if errors.Is(err, pipeline.ErrNotFound) && t.Trusted() {
			return nil // nothing was ever pushed to the default branch
		}
		if err != nil {
			return fmt.Errorf("head of the default branch of %s: %w", t.Repository.FullName(), err)
		}
		return nil
	})
	return org, defaultHead, group.Wait()
}

// definitionRef is where the stages of a trigger are described. A fork may propose a change of the file, but not run
// by it.
func definitionRef(t pipeline.Trigger, defaultHead string) string {
	switch {
	case t.Trusted():
		return t.SHA
	case t.Base == "" || t.Base == t.Repository.DefaultBranch:
		return defaultHead
	default:
		return "refs/heads/" + t.Base
	}
}

func (l *Loader) repositoryFile(ctx context.Context, r pipeline.Repository, ref string) (pipeline.Definition, error) {
	data, err := l.find(ctx, r, ref, Path)
	if err != nil {
		return pipeline.Definition{}, err
	}
	return l.cache.parse(Path, data, Parse)
}

// absence says that a commit was read and does not have a file.
type absence struct {
	what  string
	paths []string // what it has
}

func (a *absence) Error() string { return a.what + " does not exist" }

// find reads a file of a commit, or returns *absence. For a moment after a push GitHub may answer 404 for all that the
// commit has, so that only its listing proves an absence: without one, or against it, there is an error.
func (l *Loader) find(ctx context.Context, r pipeline.Repository, ref, path string) ([]byte, error) {
	data, err := l.read(ctx, r, ref, path)
	if !errors.Is(err, pipeline.ErrNotFound) {
		return data, err
	}
	paths, err := l.files.List(ctx, r, ref)
	if err != nil {
		return nil, fmt.Errorf("list the files of %s at %s: %w", r.FullName(), ref, err)
	}
	if !slices.Contains(paths, path) {
		return nil, &absence{what: path + " of " + r.FullName() + " at " + ref, paths: paths}
	}
	return l.read(ctx, r, ref, path)
}

// read goes through the cache for commits, which never change.
func (l *Loader) read(ctx context.Context, r pipeline.Repository, ref, path string) ([]byte, error) {
	key := contentKey{repository: r.FullName(), sha: ref, path: path}
	if data, known := l.cache.content(key); known {
		return data, nil
	}
	data, err := l.files.Read(ctx, r, ref, path)
	if err != nil {
		// A 404 is not kept: see find.
		return nil, fmt.Errorf("read %s of %s at %s: %w", path, r.FullName(), ref, err)
	}
	l.cache.keepContent(key, data)
	return data, nil
}

// guarded replaces the environments by those of the default branch: a commit cannot lower the guard it has to pass.
// Where the file there is missing or broken there is no environment, so that a pull request that mends it can still
// show its tests; the source says so.
func (l *Loader) guarded(ctx context.Context, r pipeline.Repository, defaultHead string, d pipeline.Definition) (pipeline.Definition, error) {
	var onDefault pipeline.Definition
	err := error(&absence{}) // nothing was ever pushed to the default branch
	if defaultHead != "" {
		onDefault, err = l.repositoryFile(ctx, r, defaultHead)
	}
	var missing *absence
	var invalid *pipeline.InvalidDefinitionError
	switch {
	case errors.As(err, &missing):
		if len(d.Environments) > 0 {
			d.Source += " (without environments: the default branch has no such file yet)"
		}
		d.Environments = nil
	case errors.As(err, &invalid):
		d.Environments = nil
		d.Source += " (without environments: the file of the default branch has problems)"
	case err != nil:
		return d, err
	default:
		d.Environments = onDefault.Environments
	}
	return d, nil
}

// organisation reads the common rules; an absent or inaccessible file is none.
func (l *Loader) organisation(ctx context.Context, r pipeline.Repository) (pipeline.Definition, error) {
	common := pipeline.Repository{Owner: r.Owner, Name: ".github", InstallationID: r.InstallationID}
	head, err := l.files.DefaultHead(ctx, common)
	if errors.Is(err, pipeline.ErrNotFound) {
		return pipeline.Definition{}, nil
	}
	if err != nil {
		return pipeline.Definition{}, fmt.Errorf("head of %s: %w", common.FullName(), err)
	}
	data, err := l.find(ctx, common, head, OrganisationPath)
	if _, missing := errors.AsType[*absence](err); missing {
		return pipeline.Definition{}, nil
	}
	if err != nil {
		return pipeline.Definition{}, err
	}
	return l.cache.parse(common.FullName()+": "+OrganisationPath, data, ParseOrganisation)
}

// withoutFile serves the organisation's stages, else what the repository's files suggest.
func withoutFile(r pipeline.Repository, paths []string, org pipeline.Definition) (pipeline.Definition, error) {
	if misnamed := ".github/slipway.yaml"; slices.Contains(paths, misnamed) {
		return pipeline.Definition{}, &pipeline.InvalidDefinitionError{Problems: []pipeline.Problem{{
			File: misnamed, Line: 1, Column: 1, Message: "the pipeline file is called " + Path + ": rename this file",
		}}}
	}
	if len(org.Stages) > 0 {
		return Merge(org, pipeline.Definition{}), nil
	}
	definition, ok := Infer(paths)
	if !ok {
		return pipeline.Definition{}, fmt.Errorf("%s has no %s and nothing to infer stages from: %w", r.FullName(), Path, pipeline.ErrNothingToRun)
	}
	return Merge(org, definition), nil
}
