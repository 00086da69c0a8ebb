package pipelinefile

import (
	"strconv"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestConditionHolds(t *testing.T) {
	facts := pipeline.ConditionFacts{
		Event: pipeline.EventPullRequest, Branch: "feature/x", Base: "main", Actor: "octocat",
		Labels: []string{"full"}, Paths: []string{"src/a.go", "docs/b.md"}, Environment: "staging",
	}
	for text, want := range map[string]bool{
		`event == "pull_request"`:                    true,
		`event == "push" || base == "main"`:          true,
		`branch.startsWith("feature/")`:              true,
		`branch.matches("^feature/[a-z]$")`:          true,
		`"full" in labels`:                           true,
		`paths.exists(p, p.endsWith(".py"))`:         false,
		`paths.all(p, p.startsWith("docs/"))`:        false,
		`fork`:                                       false,
		`actor != "dependabot[bot]"`:                 true,
		`environment == "staging" && size(paths)==2`: true,
		`true`: true,
	} {
		c, wrong := compileCondition(text)
		if wrong != nil {
			t.Errorf("%s: %v", text, wrong)
			continue
		}
		if got, err := c.Holds(facts); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
		if c.String() != text {
			t.Errorf("String: %q", c)
		}
	}
}

func TestConditionWithoutFacts(t *testing.T) {
	c, wrong := compileCondition(`labels == [] && paths == []`)
	if wrong != nil {
		t.Fatal(wrong)
	}
	if holds, err := c.Holds(pipeline.ConditionFacts{}); err != nil || !holds {
		t.Errorf("%v, %v", holds, err)
	}
}

func TestConditionFailsAtRunTime(t *testing.T) {
	c, wrong := compileCondition(`labels[3] == "x"`)
	if wrong != nil {
		t.Fatal(wrong)
	}
	if _, err := c.Holds(pipeline.ConditionFacts{}); err == nil || !strings.Contains(err.Error(), "labels[3]") {
		t.Errorf("error is %v", err)
	}
}

func TestConditionIsBounded(t *testing.T) {
	paths := make([]string, 3000)
	for i := range paths {
		paths[i] = "some/folder/of/the/repository/file" + strconv.Itoa(i)
	}
	facts := pipeline.ConditionFacts{Paths: paths}
	c, wrong := compileCondition(`paths.exists(p, p.startsWith("none") || p.matches("^x.*y$"))`)
	if wrong != nil {
		t.Fatal(wrong)
	}
	if _, err := c.Holds(facts); err != nil {
		t.Errorf("a loop over every path must be affordable: %v", err)
	}
	c, wrong = compileCondition(`paths.all(a, paths.all(b, paths.all(c, a + b != c)))`)
	if wrong != nil {
		t.Fatal(wrong)
	}
	if _, err := c.Holds(facts); err == nil {
		t.Error("27 billion steps were not refused")
	}
	if _, wrong = compileCondition(strings.Repeat("(", 500) + "fork" + strings.Repeat(")", 500)); wrong == nil {
		t.Error("deep nesting was not refused")
	}
	if _, wrong = compileCondition(strings.Repeat("fork || ", 1000) + "fork"); wrong == nil {
		t.Error("a long expression was not refused")
	}
}
