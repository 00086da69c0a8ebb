package pythonenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func interpreter(t *testing.T, s runner.Session) Interpreter {
	t.Helper()
	want, err := ParseRequest(">=3.9", "the test")
	if err != nil {
		t.Fatal(err)
	}
	found, err := Find(t.Context(), s, ThisMachine(), want)
	if err != nil {
		stagetest.Missing(t, "Python 3")
	}
	return found
}

func session(t *testing.T, cache, requirements string, env ...string) *stagetest.Session {
	t.Helper()
	return stagetest.New(t, stagetest.Options{
		Files: map[string]string{"requirements.txt": requirements}, CacheRoot: cache, Env: append(stagetest.Packages(), env...),
	})
}

func builder(s runner.Session) Builder {
	return Builder{Session: s, Machine: Machine{Path: os.Getenv("PATH")}, Now: time.Now, Cache: ProjectCache}
}

func files() Requirements { return Requirements{Files: []string{"requirements.txt"}} }

func TestEnsureBuildsOnceForAll(t *testing.T) {
	stagetest.NeedPackages(t)
	cache := t.TempDir()
	first := session(t, cache, "iniconfig==2.0.0\n")
	i := interpreter(t, first)
	var wg sync.WaitGroup
	envs := make([]Env, 3)
	for n := range envs {
		s := session(t, cache, "iniconfig==2.0.0\n")
		wg.Go(func() {
			var err error
			if envs[n], err = builder(s).Ensure(t.Context(), i, files()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	built := 0
	for _, env := range envs {
		if env.Dir != envs[0].Dir || env.Packages == 0 || !env.HasModule("iniconfig") || env.HasModule("flask") {
			t.Errorf("environment = %+v", env)
		}
		if !env.Cached {
			built++
		}
	}
	if built != 1 {
		t.Errorf("%d environments were built", built)
	}
}

func TestEnsureClearsWhatAKilledStageLeft(t *testing.T) {
	cache := t.TempDir()
	s := session(t, cache, "# nothing\n")
	i := interpreter(t, s)
	b := builder(s)
	env, err := b.Ensure(t.Context(), i, files())
	if err != nil {
		t.Fatal(err)
	}
	slot := filepath.Dir(env.Dir)
	if err := os.Remove(filepath.Join(slot, pointer)); err != nil { // as if it had been killed before it published
		t.Fatal(err)
	}
	again, err := b.Ensure(t.Context(), i, files())
	if err != nil || again.Cached || again.Dir == env.Dir {
		t.Errorf("environment = %+v, %v", again, err)
	}
	if _, err := os.Stat(env.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished one is still there: %v", err)
	}
	// A pointer that somebody bent leads nowhere.
	if err := os.WriteFile(filepath.Join(slot, pointer), []byte("../../elsewhere"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := b.published(slot, i); ok {
		t.Error("a bent pointer was followed")
	}
}

func TestPruneRemovesWhatNobodyUses(t *testing.T) {
	cache := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"old": 15 * 24 * time.Hour, "young": time.Hour} {
		if err := os.MkdirAll(filepath.Join(cache, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := publish(filepath.Join(cache, name), "00"); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(cache, name, pointer), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	builder(session(t, cache, "")).prune(cache, filepath.Join(cache, "new"))
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) != 1 || entries[0].Name() != "young" {
		t.Errorf("left: %v, %v", entries, err)
	}
}

func TestLockWaitsForItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("superseded"))
	if _, err := lock(ctx, path); err == nil || !strings.Contains(err.Error(), "superseded") {
		t.Errorf("error = %v", err)
	}
	unlock()
	unlock, err = lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestInstallationFailures(t *testing.T) {
	stagetest.NeedPackages(t)
	for name, test := range map[string]struct {
		requirements   string
		env            []string
		cause          string
		infrastructure bool
	}{
		"a version that does not exist": {
			requirements: "iniconfig==99.0\n",
			cause:        "Installing requirements.txt failed: No matching distribution found for iniconfig==99.0",
		},
		"requirements that contradict each other": {
			requirements: "pytest==8.4.2\npluggy==0.13.1\n",
			cause:        "Installing requirements.txt failed: ResolutionImpossible",
		},
		"a line that is none": {
			requirements: "this is not a requirement\n",
			cause:        "Installing requirements.txt failed: Invalid requirement: ",
		},
		"an index that does not answer": {
			requirements: "iniconfig==2.0.0\n", env: []string{"PIP_INDEX_URL=http://127.0.0.1:1/simple", "PIP_RETRIES=1", "PIP_FIND_LINKS="},
			cause: "Installing requirements.txt failed: the package index could not be reached", infrastructure: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := session(t, t.TempDir(), test.requirements, test.env...)
			_, err := builder(s).Ensure(t.Context(), interpreter(t, s), files())
			var failure *Failure
			if !errors.As(err, &failure) || !strings.HasPrefix(failure.Cause, test.cause) || failure.Infrastructure != test.infrastructure {
				t.Errorf("error = %+v\n%s", err, s.LogText())
			}
		})
	}
}

func TestWithUV(t *testing.T) {
	stagetest.NeedPackages(t)
	cache := t.TempDir()
	s := session(t, cache, "uv\n")
	i := interpreter(t, s)
	uv, err := builder(s).Ensure(t.Context(), i, files())
	if err != nil {
		t.Fatal(err)
	}
	s = session(t, cache, "iniconfig==2.0.0\n")
	b := builder(s)
	b.Machine.Path = filepath.Join(uv.Dir, "bin")
	env, err := b.Ensure(t.Context(), i, files())
	if err != nil {
		t.Fatalf("%v\n%s", err, s.LogText())
	}
	if !env.HasModule("iniconfig") || !env.Has("pip") || !strings.Contains(fmt.Sprint(s.Recorded.Commands), "uv pip install") {
		t.Errorf("environment = %+v, commands = %q", env, s.Recorded.Commands)
	}
}

func TestTheProjectItself(t *testing.T) {
	stagetest.NeedPackages(t)
	s := stagetest.New(t, stagetest.Options{Env: stagetest.Packages(), Files: map[string]string{
		"pyproject.toml":       "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n[project]\nname = 'shop'\nversion = '1.0'\n[project.optional-dependencies]\ntest = ['iniconfig==2.0.0']\n",
		"src/shop/__init__.py": "",
	}})
	requirements, err := Detect(s.Root(), nil)
	if err != nil {
		t.Fatal(err)
	}
	env, err := builder(s).Ensure(t.Context(), interpreter(t, s), requirements)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.LogText())
	}
	exit, err := s.Command(t.Context(), runner.Command{Args: []string{env.Bin("python"), "-c", "import shop, iniconfig; print(shop.__file__)"}, Capture: true})
	if err != nil || strings.TrimSpace(string(exit.Stdout)) != filepath.Join(s.Dir(), "src/shop/__init__.py") {
		t.Errorf("%+v, %v", exit, err)
	}
	if !strings.HasPrefix(env.Dir, s.Scratch()) {
		t.Errorf("an environment with the checkout in it is shared: %s", env.Dir)
	}
}
