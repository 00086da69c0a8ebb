package buildkit_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"golang.org/x/crypto/ssh"

	"github.com/slipwayhq/slipway/internal/buildkit"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func dial(t *testing.T) *buildkit.Builder {
	t.Helper()
	world.Need(t)
	b, err := buildkit.Dial(t.Context(), buildkit.Settings{Address: world.Buildkit})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// seen records what a build told.
type seen struct {
	mu    sync.Mutex
	steps []string
	ends  map[string]buildkit.Ending
	lines []string
}

func (s *seen) Begin(name string) func(buildkit.Ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(s.steps, name)
	return func(e buildkit.Ending) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.ends == nil {
			s.ends = map[string]buildkit.Ending{}
		}
		s.ends[name] = e
	}
}

func (s *seen) Log(_, line string) { s.lines = append(s.lines, line) }

func (s *seen) Warn(buildkit.Warning) {}

func request(t *testing.T, files map[string]string) (buildkit.Request, *seen) {
	t.Helper()
	dir, watch := folder(t, files), &seen{}
	return buildkit.Request{
		Context: dir, Dockerfile: filepath.Join(dir, "Dockerfile"), Output: filepath.Join(t.TempDir(), "image"), Watch: watch,
		Scope: t.Name(), Epoch: time.Unix(1_700_000_000, 0), Provenance: true,
	}, watch
}

func TestABuildLeavesALayoutAndSaysWhatCameFromTheCache(t *testing.T) {
	b := dial(t)
	files := map[string]string{
		"Dockerfile": "FROM base:1\nARG WORD\nRUN echo \"said $WORD\" && echo first > /first\nCOPY app /app\nUSER app\n", "app/a.txt": "one",
	}
	r, watch := request(t, files)
	r.Args, r.Labels = map[string]string{"WORD": "hello"}, map[string]string{"org.opencontainers.image.revision": "abc"}
	first, err := b.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if first.Steps != 2 || first.Cached != 0 {
		t.Errorf("the first build has %d steps, %d of them cached; want 2 and 0 (steps %q)", first.Steps, first.Cached, watch.steps)
	}
	if !slices.ContainsFunc(watch.lines, func(l string) bool { return strings.Contains(l, "said hello") }) {
		t.Errorf("the log lacks what the command said: %q", watch.lines)
	}
	path, err := layout.FromPath(r.Output)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := manifest.Manifests[0].Digest.String(); got != first.Digest {
		t.Errorf("the layout holds %s, the result says %s", got, first.Digest)
	}
	files["app/a.txt"] = "two"
	r, _ = request(t, files)
	r.Args = map[string]string{"WORD": "hello"}
	second, err := b.Build(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if second.Steps != 2 || second.Cached != 1 {
		t.Errorf("after one changed file %d of %d steps came from the cache, want 1 of 2", second.Cached, second.Steps)
	}
}

func TestABrokenDockerfileNamesItsLine(t *testing.T) {
	b := dial(t)
	for name, c := range map[string]struct {
		dockerfile, message string
		line                int
	}{
		"command":     {"FROM base:1\nRUN true\nRUN echo no >&2; false\n", "exit code: 1", 3},
		"instruction": {"FROM base:1\nRAN true\n", "unknown instruction", 2},
		"base":        {"FROM nowhere:1\n", "not found", 1},
		"copy":        {"FROM base:1\nCOPY missing /\n", "not found", 2},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := request(t, map[string]string{"Dockerfile": c.dockerfile})
			_, err := b.Build(t.Context(), r)
			problem, ok := errors.AsType[*buildkit.BuildError](err)
			if !ok {
				t.Fatalf("got %v, want a BuildError", err)
			}
			if problem.Line != c.line || !strings.Contains(problem.Message, c.message) || problem.Lost {
				t.Errorf("got line %d, %q, lost %t; want line %d, %q", problem.Line, problem.Message, problem.Lost, c.line, c.message)
			}
		})
	}
}

func TestSecretsAndSSHKeysAreMountedAndInNoLayer(t *testing.T) {
	b := dial(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	r, watch := request(t, map[string]string{"Dockerfile": `FROM base:1
RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN && test "$(wc -c < /run/secrets/TOKEN)" = 20
RUN --mount=type=ssh test -e "$SSH_AUTH_SOCK" && echo "agent at $SSH_AUTH_SOCK" > /agent
RUN --mount=type=secret,id=OTHER test ! -e /run/secrets/OTHER
`})
	r.Secrets, r.SSHKey = map[string]string{"TOKEN": "s3cr3t-value-of-test"}, string(pem.EncodeToMemory(block))
	if _, err := b.Build(t.Context(), r); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(watch.lines, "\n"))
	}
	assertNowhere(t, r.Output, "s3cr3t-value-of-test")
}

// assertNowhere looks through every blob of a layout, unpacked.
func assertNowhere(t *testing.T, dir, secret string) {
	t.Helper()
	path, err := layout.FromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := path.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	child, err := index.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	children, err := child.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	layers := 0
	for _, d := range children.Manifests {
		image, err := child.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.RawConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(config), secret) {
			t.Error("the configuration of the image holds the secret")
		}
		all, err := image.Layers()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			text := unpacked(t, l.Uncompressed)
			if strings.Contains(text, secret) {
				t.Error("a layer of the image holds the secret")
			}
			layers++
		}
	}
	if layers == 0 {
		t.Error("nothing was looked through")
	}
}

func TestACancelledBuildEndsWithItsCause(t *testing.T) {
	b := dial(t)
	r, watch := request(t, map[string]string{"Dockerfile": "FROM base:1\nRUN echo begun && sleep 600\n"})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody said so")
	r.Watch = &stopper{seen: watch, stop: func() { cancel(why) }}
	began := time.Now()
	_, err := b.Build(ctx, r)
	if !errors.Is(err, why) {
		t.Errorf("got %v, want the cause of the cancel", err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %s to end", took)
	}
}

// stopper stops the build once its command has begun.
type stopper struct {
	*seen
	stop func()
}

func (s *stopper) Log(step, line string) {
	s.seen.Log(step, line)
	if strings.Contains(line, "begun") {
		s.stop()
	}
}

func TestTheSameCommitGivesTheSameImage(t *testing.T) {
	b := dial(t)
	files := map[string]string{"Dockerfile": "FROM base:1\nRUN echo made > /made\nCOPY a.txt /a.txt\n", "a.txt": "one"}
	var digests []string
	for range 2 {
		r, _ := request(t, files)
		r.NoCache, r.Provenance = true, false
		result, err := b.Build(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, result.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("two builds from nothing give %s and %s", digests[0], digests[1])
	}
}

func TestCacheFoldersOfScopesAreApart(t *testing.T) {
	b := dial(t)
	dockerfile := "FROM base:1\nARG N\nRUN --mount=type=cache,target=/cache echo \"$N\" >> /cache/all; wc -l < /cache/all\n"
	for _, c := range []struct{ scope, n, want string }{{"acme/one", "1", "1"}, {"acme/one", "2", "2"}, {"acme/two", "3", "1"}} {
		r, watch := request(t, map[string]string{"Dockerfile": dockerfile})
		r.Scope, r.Args = c.scope+t.Name(), map[string]string{"N": c.n, "BUILDKIT_CACHE_MOUNT_NS": "acme/one"}
		if _, err := b.Build(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(watch.lines[len(watch.lines)-1]); got != c.want {
			t.Errorf("scope %s sees %s entries, want %s", c.scope, got, c.want)
		}
	}
}

// The cache key of a step has the folders' scope in it only by chance: what another scope has built must not be found by its
// command alone. Both give the same image.
func TestResultsOfScopesAreApart(t *testing.T) {
	b := dial(t)
	dockerfile := "FROM base:1\nRUN --mount=type=cache,id=x,target=/cache echo made > /made\n"
	var digests []string
	for _, c := range []struct {
		scope  string
		cached int
	}{{"acme/one", 0}, {"acme/one", 1}, {"acme/two", 0}} {
		r, _ := request(t, map[string]string{"Dockerfile": dockerfile})
		r.Scope, r.Provenance = c.scope+t.Name(), false
		r.Args = map[string]string{"BUILDKIT_SANDBOX_HOSTNAME": "chosen"}
		result, err := b.Build(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if result.Cached != c.cached {
			t.Errorf("scope %s: %d steps came from the cache, want %d", c.scope, result.Cached, c.cached)
		}
		digests = append(digests, result.Digest)
	}
	if digests[0] != digests[2] {
		t.Errorf("the image says which scope it was built in: %s and %s", digests[0], digests[2])
	}
}

func TestDigestsAreThoseOfTheMirror(t *testing.T) {
	b := dial(t)
	digests, err := b.Digests(t.Context(), []string{"base:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(digests["base:1"], "sha256:") {
		t.Errorf("got %v", digests)
	}
	_, err = b.Digests(t.Context(), []string{"base:1", "nowhere:1"}, nil)
	if want := "failed to resolve source metadata for docker.io/library/nowhere:1: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("of an image that does not exist: %v, want %q…", err, want)
	}
}

func TestNobodyAnswers(t *testing.T) {
	_, err := buildkit.Dial(t.Context(), buildkit.Settings{Address: "unix://" + t.TempDir() + "/none.sock"})
	if _, ok := errors.AsType[*buildkit.UnavailableError](err); !ok {
		t.Errorf("got %v, want an UnavailableError", err)
	}
}
