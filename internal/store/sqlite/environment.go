package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// environmentKey names an environment however its name is spelled. The tables compare names without the case of ASCII
// letters, and names of environments have no others.
type environmentKey struct {
	repositoryID int64
	name         string
}

func keyOf(repositoryID int64, name string) environmentKey {
	return environmentKey{repositoryID: repositoryID, name: strings.ToLower(name)}
}

func (k environmentKey) String() string {
	return fmt.Sprintf("%s of repository %d", k.name, k.repositoryID)
}

// ChangeEnvironment reads what is true of an environment, lets change alter it and stores it, serialised with every other
// change of that environment. Where nothing is known of it yet, change sees an empty state of that name; the spelling it
// was first stored with stays. An error of change changes nothing and is returned as it is. change must not change the
// same environment again.
func (db *DB) ChangeEnvironment(
	ctx context.Context, repositoryID int64, name string, change func(*pipeline.EnvironmentState) error,
) (pipeline.EnvironmentState, error) {
	key := keyOf(repositoryID, name)
	unlock, err := db.places.lock(ctx, key)
	if err != nil {
		return pipeline.EnvironmentState{}, err
	}
	defer unlock()
	state, document, err := db.environment(ctx, repositoryID, name)
	if err != nil {
		return pipeline.EnvironmentState{}, fmt.Errorf("environment %s: %w", key, err)
	}
	named := state.Name
	if err := change(&state); err != nil {
		return pipeline.EnvironmentState{}, err
	}
	if state.RepositoryID != repositoryID || state.Name != named {
		return pipeline.EnvironmentState{}, fmt.Errorf("the change makes environment %s another one: %s", key, keyOf(state.RepositoryID, state.Name))
	}
	changed, err := encodeState(state)
	if err != nil {
		return pipeline.EnvironmentState{}, err
	}
	if changed == document {
		return state, nil
	}
	err = db.writer.apply(ctx, durable, func(b *batch) error { return b.putEnvironment(state, changed) })
	if err != nil {
		return pipeline.EnvironmentState{}, fmt.Errorf("store environment %s: %w", key, err)
	}
	return state, nil
}

// EnvironmentState tells what is true of an environment; nothing but its name where nothing is known of it.
func (db *DB) EnvironmentState(ctx context.Context, repositoryID int64, name string) (pipeline.EnvironmentState, error) {
	state, _, err := db.environment(ctx, repositoryID, name)
	return state, wrap(err, "environment "+name)
}

// EnvironmentStates lists what is known of a repository's environments, by name.
func (db *DB) EnvironmentStates(ctx context.Context, repositoryID int64) ([]pipeline.EnvironmentState, error) {
	var states []pipeline.EnvironmentState
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT document FROM environments WHERE repository_id = ? ORDER BY name`, []any{repositoryID},
			decodeInto(&states))
	})
	return states, wrap(err, fmt.Sprintf("environments of repository %d", repositoryID))
}

// environment reads a state and what it was read from. A state that is not stored is compared with an empty one, so that
// a change that alters nothing stores nothing.
func (db *DB) environment(ctx context.Context, repositoryID int64, name string) (state pipeline.EnvironmentState, document string, err error) {
	err = db.look(ctx, func(v view) error {
		return v.one(environmentQuery, []any{repositoryID, name}, &document)
	})
	if err != nil && !errors.Is(err, pipeline.ErrNotFound) {
		return state, "", err
	}
	return stateOf(repositoryID, name, document)
}

const environmentQuery = `SELECT document FROM environments WHERE repository_id = ? AND name = ?`

// stateOf decodes a document; an empty one is that of an environment of which nothing is known.
func stateOf(repositoryID int64, name, document string) (state pipeline.EnvironmentState, _ string, err error) {
	if document == "" {
		state = pipeline.EnvironmentState{RepositoryID: repositoryID, Name: name}
		document, err = encodeState(state)
		return state, document, err
	}
	if err := json.Unmarshal([]byte(document), &state); err != nil {
		return state, "", fmt.Errorf("decode: %w", err)
	}
	return state, document, nil
}

func encodeState(s pipeline.EnvironmentState) (string, error) {
	document, err := encode(s)
	if err != nil {
		return "", fmt.Errorf("encode environment %s: %w", s.Name, err)
	}
	return string(document), nil
}

func (b *batch) putEnvironment(s pipeline.EnvironmentState, document string) error {
	_, err := b.exec(`INSERT INTO environments (repository_id, name, document) VALUES (?, ?, ?)
		ON CONFLICT (repository_id, name) DO UPDATE SET document = excluded.document`, s.RepositoryID, s.Name, document)
	return err
}

// setRelease notes which release an environment runs now. The caller holds the environment's lock.
func (b *batch) setRelease(repositoryID int64, name string, number int64) error {
	var document string
	if err := b.one(environmentQuery, []any{repositoryID, name}, &document); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	state, _, err := stateOf(repositoryID, name, document)
	if err != nil {
		return err
	}
	state.Release = number
	if document, err = encodeState(state); err != nil {
		return err
	}
	return b.putEnvironment(state, document)
}

// decodeInto collects a column of JSON documents.
func decodeInto[T any](into *[]T) func(scan func(...any) error) error {
	return func(scan func(...any) error) error {
		var document string
		if err := scan(&document); err != nil {
			return err
		}
		var value T
		if err := json.Unmarshal([]byte(document), &value); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		*into = append(*into, value)
		return nil
	}
}
