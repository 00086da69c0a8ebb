package chatops

import (
	"regexp"
	"testing"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestReferenceIsWhatTheCommandsSay(t *testing.T) {
	golden.Equal(t, "../../docs/commands.md", Reference())
}

func TestReplies(t *testing.T) {
	run := runOf(4, pipeline.StatusWaiting, "a=waiting", "b|@x=failure", "summary=queued")
	run.Stages[1].StartedAt, run.Stages[1].FinishedAt = noon, noon.Add(83e9)
	run.Stages[1].Result.Verdict.Title = "2 failed | @all `x` <!-- -->"
	f := facts{repository: shop, number: 7, pull: Pull{Open: true, Fork: true, Head: head}, runs: []pipeline.Run{run}}
	golden.Equal(t, "testdata/help.md", help()+"\n")
	golden.Equal(t, "testdata/status.md", status(f, "https://ci.example.org", fixedClock{})+"\n")
	_, no := decideOkToTest(f, "")
	golden.Equal(t, "testdata/refused.md", no.text(Invocation{Name: "ok-to-test"})+"\n")
}

func TestCommandsAreComplete(t *testing.T) {
	for _, c := range Commands() {
		if !regexp.MustCompile(`^[a-z-]+$`).MatchString(c.Name) || c.Does == "" || c.Who == "" || len(c.Examples) == 0 || c.decide == nil || c.do == nil {
			t.Errorf("/%s lacks something", c.Name)
		}
		for _, e := range c.Examples {
			if found := Parse(e.Line); len(found) != 1 || found[0].Name != c.Name || e.Does == "" {
				t.Errorf("the example %q is none of /%s", e.Line, c.Name)
			}
		}
	}
}
