package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// awayError is what a source says that was away.
type awayError struct{ forGood bool }

func (awayError) Error() string     { return "the source is away" }
func (e awayError) Temporary() bool { return !e.forGood }

// TestASourceThatWasAwayIsAskedAgain: that a secret is not set or no good is the stage's failure; that nobody could tell is
// one of our surroundings, after which it is tried again.
func TestASourceThatWasAwayIsAskedAgain(t *testing.T) {
	run := newRun("a")
	for name, test := range map[string]struct {
		err   error
		title string
		again bool
	}{
		"not set":          {fmt.Errorf("secret TOKEN: %w", ErrNotFound), "secret TOKEN is not set", false},
		"no good":          {errors.New("has fewer than 4 characters"), "secret TOKEN cannot be used", false},
		"away":             {fmt.Errorf("ask: %w", awayError{}), "secret TOKEN cannot be used", true},
		"refused for good": {awayError{forGood: true}, "secret TOKEN cannot be used", false},
	} {
		v := secretVerdict(*run, run.Stages[0], "TOKEN", test.err)
		if v.Status != StatusFailure || v.Title != test.title || v.Infrastructure != test.again || !strings.Contains(v.Cause, "TOKEN") {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// vault holds secrets as environment/NAME, and is the forge besides.
type vault struct {
	Forge
	values map[string]string
}

func (v vault) Secret(_ context.Context, _ Repository, environment, name string) (string, error) {
	if value, ok := v.values[environment+"/"+name]; ok {
		return value, nil
	}
	return "", ErrNotFound
}

func (vault) GitToken(context.Context, Repository) (string, error) { return "git-token", nil }

// TestSecretsAreThoseOfTheStagesOwnEnvironment: a stage gets what it names, of the environment it is planned for.
func TestSecretsAreThoseOfTheStagesOwnEnvironment(t *testing.T) {
	v := vault{values: map[string]string{
		"production/KEY": "of-production", "production/MORE": "more-of-production", "staging/KEY": "of-staging", "/OTHER": "of-all",
	}}
	e := &Engine{secrets: v, forge: v}
	run := newRun("a")
	for environment, want := range map[string]map[string]string{
		"production": {"KEY": "of-production", "MORE": "more-of-production"}, "staging": {"KEY": "of-staging"}, "Production": nil, "": nil,
		"staging/../production": nil,
	} {
		stage := StageRun{Spec: StageSpec{Environment: environment, Secrets: []string{"KEY"}, OptionalSecrets: []string{"MORE"}}}
		got, verdict, err := e.taskSecrets(t.Context(), *run, stage, nil)
		if err != nil || !maps.Equal(got.Env, want) || (want == nil) != (verdict != nil) {
			t.Errorf("%q: %v, verdict %v, %v", environment, got.Env, verdict, err)
		}
	}
	run.Trigger.Fork = true
	got, verdict, err := e.taskSecrets(t.Context(), *run, StageRun{Spec: StageSpec{Environment: "production", Secrets: []string{"KEY"}}}, nil)
	if err != nil || verdict != nil || len(got.Env) != 0 {
		t.Errorf("a fork: %v, verdict %v, %v", got.Env, verdict, err)
	}
}
