package pipelinefile

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// FuzzParse holds Parse to its promise for whatever bytes: problems with a place, or a definition the planner can work
// with; the same each time; never a panic.
func FuzzParse(f *testing.F) {
	for _, folder := range []string{"testdata/good/*.yml", "testdata/bad/*.yml"} {
		seeds, err := contentsOf(folder)
		if err != nil {
			f.Fatal(err)
		}
		for _, data := range seeds {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		definition, err := Parse("f", data)
		if err != nil {
			checkProblems(t, data, err)
			return
		}
		if len(definition.Stages) == 0 || len(definition.Stages) > maxStages {
			t.Fatalf("%d stages", len(definition.Stages))
		}
		if _, err := json.Marshal(definition); err != nil {
			t.Fatal(err)
		}
		checkUsable(t, definition)
	})
}

func checkProblems(t *testing.T, data []byte, err error) {
	t.Helper()
	var invalid *pipeline.InvalidDefinitionError
	if !errors.As(err, &invalid) || len(invalid.Problems) == 0 {
		t.Fatalf("error is %T", err)
	}
	for _, p := range invalid.Problems {
		if p.Line < 1 || p.Column < 1 || p.Message == "" || !utf8.ValidString(p.Message) {
			t.Fatalf("problem %+v", p)
		}
	}
	if _, again := Parse("f", data); again == nil || again.Error() != err.Error() {
		t.Fatalf("first %v\nthen %v", err, again)
	}
}

func checkUsable(t *testing.T, d pipeline.Definition) {
	t.Helper()
	for _, s := range d.Stages {
		if s.Uses == "" || s.MatchPaths == nil || s.Timeout <= 0 || (s.Uses == usesRun) != (len(s.Run) > 0) {
			t.Fatalf("stage %+v", s)
		}
		s.MatchPaths([]string{"a/b.go"})
		if s.If != nil {
			if _, err := s.If.Holds(pipeline.ConditionFacts{}); err != nil {
				continue // a condition may fail on facts it did not expect
			}
		}
	}
	for _, e := range d.Environments {
		e.MatchBranch("main")
	}
	for _, filter := range []*pipeline.BranchFilter{d.On.Push, d.On.PullRequest} {
		if filter != nil {
			filter.Match("feature/x")
		}
	}
	merged := Merge(d, d)
	if !slices.EqualFunc(merged.Stages, d.Stages, func(a, b pipeline.StageDefinition) bool { return a.ID == b.ID }) {
		t.Fatal("Merge changed the stages")
	}
}
