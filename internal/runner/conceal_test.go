package runner

import (
	"errors"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/redact"
)

func TestConcealedValues(t *testing.T) {
	var c concealed
	if c.now().String("token-one") != "token-one" {
		t.Error("masked before it was known")
	}
	for _, value := range []string{"token-one", "token-two"} {
		if err := c.add(map[string]string{"the token": value}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.now().String("token-one token-two"); got != "*** ***" {
		t.Errorf("got %q: a value of the same name took the place of the one before", got)
	}
	err := c.add(map[string]string{"pin": "123"})
	if short, ok := errors.AsType[*redact.TooShortError](err); !ok || short.Name != "pin" {
		t.Errorf("error = %v", err)
	}
	if c.now().String("token-one") != "***" {
		t.Error("a refused value took the others with it")
	}
}

func TestWhatIsConcealedIsMaskedFromThenOn(t *testing.T) {
	w := &lineWriter{t: t}
	s := &session{recorder: newRecorder(w, systemClock{}, 1<<20)}
	if err := s.Conceal("the registry's token", "made-of-a-secret"); err != nil {
		t.Fatal(err)
	}
	s.Log("made-of-a-secret")
	s.Section(pipeline.Section{Text: "made-of-a-secret"})
	if got := w.events[0].Log.Text + w.events[1].Section.Text; got != "******" {
		t.Errorf("told %q", got)
	}
	if err := s.Conceal("short", "abc"); err == nil {
		t.Error("a value that cannot be masked was taken")
	}
}

func TestOnlyWhatIsSecretOfAKubeconfigIsMasked(t *testing.T) {
	j := &job{task: pipeline.Task{ID: "t"}, deps: Deps{Mask: func(task pipeline.Task, name, value string) ([]string, bool) {
		if task.ID != "t" || name != "KUBECONFIG" || value == "" {
			return nil, true
		}
		return []string{"the-token", "the-key"}, false
	}}}
	var c concealed
	if err := c.add(j.valuesOf(pipeline.Secrets{Env: map[string]string{"KUBECONFIG": "apiVersion: v1\ntoken: the-token\n", "OTHER": "apiVersion: v2\nwhole"}})); err != nil {
		t.Fatal(err)
	}
	if got := c.now().String("apiVersion: v1 the-token the-key apiVersion: v2"); got != "apiVersion: v1 *** *** ***" {
		t.Error(got)
	}
}
