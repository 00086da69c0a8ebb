package pipelinefile

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds what people read against a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if string(want) != string(got) {
		t.Errorf("%s differs; run with -update to accept it\n--- want\n%s\n--- got\n%s", name, want, got)
	}
}

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
			golden(t, strings.TrimSuffix(name, ".yml")+".json", append(shown, '\n'))
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
			golden(t, strings.TrimSuffix(name, ".yml")+".txt", []byte(err.Error()+"\n"))
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
