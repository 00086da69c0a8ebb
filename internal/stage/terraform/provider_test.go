package terraform

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// fileWorld uses a real provider, hashicorp/local, whose resources are files.
func fileWorld(t *testing.T) (w *world, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "made")
	w = newWorld(t, map[string]string{"infra/main.tf": fmt.Sprintf(`terraform {
  required_providers {
    local = {
      source  = "example.com/slipway/local"
      version = "~> 2.5"
    }
  }
}

resource "local_file" "made" {
  filename        = %q
  content         = "as planned"
  file_permission = "0600"
}
`, file)})
	w.options.CLIConfig = stagetest.LocalProvider(t)
	return w, file
}

func TestDrift(t *testing.T) {
	w, file := fileWorld(t)
	w.applied(t)
	if text, err := os.ReadFile(file); err != nil || string(text) != "as planned" {
		t.Fatalf("the file holds %q, %v", text, err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p := w.planned(t)
	if want := "1 to add, 0 to change, 0 to destroy"; p.verdict.Title != want {
		t.Errorf("title = %q", p.verdict.Title)
	}
	section, found := p.SectionTitled("Drift")
	if !found || fmt.Sprint(section.Table.Rows) != "[[local_file.made deleted]]" {
		t.Errorf("drift = %+v", section.Table)
	}
	wantVerdict(t, w.apply(t.Context(), t, p), pipeline.StatusSuccess, "Applied: 1 added", "")
}

// A look that the clock asked for tells what was changed outside, changes nothing and locks nothing.
func TestScheduledLook(t *testing.T) {
	w, file := fileWorld(t)
	w.applied(t)
	w.event, w.steps = pipeline.EventSchedule, pipeline.PrepareOnly
	wantVerdict(t, w.prepare(t), pipeline.StatusSuccess, "No drift", "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p := w.prepare(t)
	wantVerdict(t, p, pipeline.StatusNeutral, "Drift: 1 resource changed outside; a plan has 1 to add, 0 to change, 0 to destroy", "Nothing is put right by this check")
	if section, found := p.SectionTitled("Drift"); !found || fmt.Sprint(section.Table.Rows) != "[[local_file.made deleted]]" {
		t.Errorf("drift = %+v", section.Table)
	}
	if len(p.Recorded.Private) > 0 || len(p.Recorded.Parts) > 0 {
		t.Errorf("it is kept for an apply: %+v", p.Recorded)
	}
	for _, command := range p.Recorded.Commands {
		if strings.Contains(strings.Join(command, " "), " plan ") && !strings.Contains(strings.Join(command, " "), "-lock=false") {
			t.Errorf("it locks the state: %q", command)
		}
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("it was put right: %v", err)
	}
}

// What the configuration has and nobody applied yet is no drift.
func TestScheduledLookAtWhatWasNotApplied(t *testing.T) {
	w := newWorld(t, map[string]string{"infra/main.tf": aThing})
	w.event, w.steps = pipeline.EventSchedule, pipeline.PrepareOnly
	wantVerdict(t, w.prepare(t), pipeline.StatusSuccess, "No drift; a plan has 1 to add, 0 to change, 0 to destroy", "")
}

// The lock file of the plan goes with it: the apply may choose no other provider.
func TestLockFileGoesWithThePlan(t *testing.T) {
	w, _ := fileWorld(t)
	p := w.planned(t)
	locks := string(p.Recorded.Private[keptLockFile])
	if !strings.Contains(locks, `provider "example.com/slipway/local"`) || !strings.Contains(locks, "h1:") {
		t.Fatalf("lock file: %s", locks)
	}
	p.Recorded.Private[keptLockFile] = []byte(strings.Replace(locks, "h1:", "h1:x", 1))
	a := w.apply(t.Context(), t, p)
	wantVerdict(t, a, pipeline.StatusFailure, "terraform init failed", "checksums")
}

// Several runs fill and use the cache of providers at the same time.
func TestProvidersAreShared(t *testing.T) {
	w, _ := fileWorld(t)
	w.options.LockTimeout = 2 * time.Minute // they share one state: each waits for the others, however slow they are
	w.files["infra/"+lockFile] = string(w.planned(t).Recorded.Private[keptLockFile])
	cached := filepath.Join(w.cache, pluginCache, "example.com")
	if _, err := os.Stat(cached); err != nil {
		t.Fatalf("the provider is not in the cache: %v", err)
	}
	if err := os.RemoveAll(cached); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var logs [4]string
	for i := range logs {
		s := w.session(t, pipeline.PhasePrepare, nil, nil)
		all.Go(func() {
			if verdict, err := New(w.options).Run(context.WithoutCancel(t.Context()), s); err != nil || verdict.Status != pipeline.StatusSuccess {
				t.Errorf("verdict = %+v, %v\n%s", verdict, err, s.LogText())
			}
			logs[i] = s.LogText()
		})
	}
	all.Wait()
	if n := strings.Count(strings.Join(logs[:], ""), "from the shared cache directory"); n != len(logs)-1 {
		t.Errorf("%d of %d runs used the cache: one was to fill it, the others to wait for that\n%s", n, len(logs), logs[0])
	}
}

// Drift that the configuration agrees with needs no change, and is written into the state: it is told once.
func TestDriftThatTheConfigurationAgreesWith(t *testing.T) {
	w, file := fileWorld(t)
	w.applied(t)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(w.files["infra/main.tf"], "resource ")
	w.files["infra/main.tf"] = before
	p := w.planned(t)
	if want := "No changes; 1 resource was changed outside of Terraform"; p.verdict.Title != want || p.Recorded.Parts[0].Detail != want {
		t.Errorf("title = %q, part = %+v", p.verdict.Title, p.Recorded.Parts[0])
	}
	wantVerdict(t, w.apply(t.Context(), t, p), pipeline.StatusSuccess, "Nothing to change; what was changed outside is in the state now", "")
	if again := w.planned(t); again.verdict.Title != "No changes" {
		t.Errorf("title = %q: it is drift still", again.verdict.Title)
	}
}
