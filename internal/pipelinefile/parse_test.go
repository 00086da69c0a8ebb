package pipelinefile

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func problemsOf(t *testing.T, err error) []pipeline.Problem {
	t.Helper()
	var invalid *pipeline.InvalidDefinitionError
	if !errors.As(err, &invalid) {
		t.Fatalf("error is %T %v, want *pipeline.InvalidDefinitionError", err, err)
	}
	return invalid.Problems
}

func TestGoodFiles(t *testing.T) {
	for _, name := range files(t, "testdata/good/*.yml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			definition, err := Parse(Path, read(t, name))
			if err != nil {
				t.Fatal(err)
			}
			shown, err := json.MarshalIndent(definition, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, strings.TrimSuffix(name, ".yml")+".json", string(shown)+"\n")
		})
	}
}

func TestBadFiles(t *testing.T) {
	for _, name := range files(t, "testdata/bad/*.yml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			_, err := Parse(Path, read(t, name))
			if err == nil {
				t.Fatal("no problem found")
			}
			problemsOf(t, err)
			golden.Equal(t, strings.TrimSuffix(name, ".yml")+".txt", err.Error()+"\n")
		})
	}
}

// contentsOf reads the files of a pattern.
func contentsOf(pattern string) ([][]byte, error) {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	contents := make([][]byte, 0, len(names))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		contents = append(contents, data)
	}
	return contents, nil
}
