package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// TestReleaseFiles are encrypted in the database; those whose key is lost are told apart from a store that does not work.
func TestReleaseFiles(t *testing.T) {
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, databaseName), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	vault, err := artifact.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer vault.Close()
	kept := releases{DB: db, vault: vault}
	content, name := []byte("password: hunter22"), "release/deploy.manifests.yaml"
	made, _, err := kept.CreateRelease(t.Context(), pipeline.Release{RepositoryID: 1, Environment: "production", RunID: 1, RunNumber: 1, Files: []string{name}},
		[]pipeline.ReleaseFile{{Name: name, Content: content}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := kept.ReleaseFile(t.Context(), 1, "production", made.Number, name)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
	raw, err := db.ReleaseFile(t.Context(), 1, "production", made.Number, name)
	if err != nil || bytes.Contains(raw, []byte("hunter22")) {
		t.Errorf("the database holds %q, %v", raw, err)
	}
	if _, err := kept.ReleaseFile(t.Context(), 1, "production", made.Number, "release/other"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "private.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := kept.ReleaseFile(t.Context(), 1, "production", made.Number, name); !errors.Is(err, pipeline.ErrUnreadable) {
		t.Errorf("without its key: %v", err)
	}
}
