package image

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ggcrname "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

const (
	sha1   = "1111111111111111111111111111111111111111"
	sha2   = "2222222222222222222222222222222222222222"
	branch = "feature/login"
)

// commitTime is when the commits of the tests were made.
func commitTime() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// job is a stage with a repository around it; its cache lasts as long as the test.
type job struct {
	t       *testing.T
	with    map[string]any
	files   map[string]string
	secrets map[string]string
	names   []string // of the secrets that the file names
	trigger pipeline.Trigger
	steps   pipeline.Steps
	running map[string]string
	cache   string
	options Options
	// untrusted: a stranger's commit.
	untrusted bool
}

func newJob(t *testing.T, files map[string]string) *job {
	t.Helper()
	world.Need(t)
	cache, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &job{
		t: t, files: files, cache: cache, steps: pipeline.PrepareThenApply, secrets: map[string]string{},
		with: map[string]any{"repository": world.Open + "/acme/" + strings.ToLower(t.Name())},
		trigger: pipeline.Trigger{
			Event: pipeline.EventPush, SHA: sha1, Ref: "refs/heads/main", Branch: "main", Actor: "alice",
			Repository: pipeline.Repository{Owner: "acme", Name: "app", DefaultBranch: "main", CloneURL: "https://github.example/acme/app.git"},
		},
		options: Options{
			Builder: buildkit.Settings{Address: world.Buildkit}, Insecure: []string{world.Open, world.Closed},
			CommitTime: func(context.Context, runner.Session) (time.Time, error) { return commitTime(), nil },
			Now:        time.Now, Backoff: registry.Backoff{First: time.Millisecond, Tries: 2},
		},
	}
}

func (j *job) task(phase pipeline.Phase) pipeline.Task {
	with, err := json.Marshal(j.with)
	if err != nil {
		j.t.Fatal(err)
	}
	return pipeline.Task{
		ID: "r1-s2-a1-p", RunNumber: 7, Attempt: 1, Phase: phase, Trigger: j.trigger, Running: j.running,
		Stage:      pipeline.StageSpec{ID: "docker-build-push", Key: "docker-build-push", Uses: "image", With: with, Secrets: j.names, Steps: j.steps},
		CacheScope: "acme/app-" + j.t.Name(), CacheWritable: !j.untrusted,
	}
}

func (j *job) run(ctx context.Context, phase pipeline.Phase, kept map[string][]byte) (*stagetest.Session, pipeline.Verdict, error) {
	j.t.Helper()
	s := stagetest.New(j.t, stagetest.Options{
		Task: j.task(phase), Files: j.files, Secrets: j.secrets, CacheRoot: j.cache, Kept: kept,
		Env: []string{"PATH=" + os.Getenv("PATH"), "TRIVY_DB_REPOSITORY=" + os.Getenv("TRIVY_DB_REPOSITORY")},
	})
	verdict, err := New(j.options).Run(ctx, s)
	return s, verdict, err
}

// prepare runs the first step and wants it to pass.
func (j *job) prepare() (*stagetest.Session, pipeline.Verdict) {
	j.t.Helper()
	s, verdict, err := j.run(j.t.Context(), pipeline.PhasePrepare, nil)
	if err != nil || verdict.Status != pipeline.StatusSuccess {
		j.t.Fatalf("prepare: %+v, %v\n%s", verdict, err, s.LogText())
	}
	return s, verdict
}

// apply runs the second step after a first and wants it to pass.
func (j *job) apply(first *stagetest.Session) (*stagetest.Session, pipeline.Verdict) {
	j.t.Helper()
	s, verdict, err := j.run(j.t.Context(), pipeline.PhaseApply, first.Recorded.Private)
	if err != nil || verdict.Status != pipeline.StatusSuccess {
		j.t.Fatalf("apply: %+v, %v\n%s", verdict, err, s.LogText())
	}
	return s, verdict
}

// fails runs the first step and wants it to end in a failure whose cause holds all words.
func (j *job) fails(words ...string) (*stagetest.Session, pipeline.Verdict) {
	j.t.Helper()
	s, verdict, err := j.run(j.t.Context(), pipeline.PhasePrepare, nil)
	if err != nil || verdict.Status != pipeline.StatusFailure {
		j.t.Fatalf("got %+v, %v; want a failure\n%s", verdict, err, s.LogText())
	}
	for _, word := range words {
		if !strings.Contains(verdict.Title+" "+verdict.Cause, word) {
			j.t.Errorf("the verdict %q, %q lacks %q", verdict.Title, verdict.Cause, word)
		}
	}
	return s, verdict
}

func (j *job) repository() *registry.Repository {
	j.t.Helper()
	name, _ := j.with["repository"].(string)
	r, err := registry.Open(name, registry.Options{
		Insecure: []string{world.Open, world.Closed}, Backoff: registry.Backoff{First: time.Millisecond, Tries: 2},
		Credentials: registry.Credentials{User: j.secrets[secretUser], Password: j.secrets[secretPassword]},
	})
	if err != nil {
		j.t.Fatal(err)
	}
	return r
}

// inRegistry are the digests that tags stand for.
func (j *job) inRegistry(tags ...string) map[string]string {
	j.t.Helper()
	found := map[string]string{}
	for _, tag := range tags {
		digest, ok, err := j.repository().Digest(j.t.Context(), tag)
		if err != nil {
			j.t.Fatal(err)
		}
		if ok {
			found[tag] = digest
		}
	}
	return found
}

// image is what a tag stands for on this machine's platform.
func (j *job) image(tag string) v1.Image {
	j.t.Helper()
	image, found, err := j.repository().Image(j.t.Context(), tag)
	if err != nil || !found {
		j.t.Fatalf("the image %s: %t, %v", tag, found, err)
	}
	return image
}

// withTrivy puts Trivy and a database of a few advisories into the job.
func (j *job) withTrivy() *job {
	j.t.Helper()
	j.t.Setenv("PATH", imagetest.ToolFolder()+":"+os.Getenv("PATH"))
	if _, err := exec.LookPath(toolTrivy); err != nil {
		j.t.Fatal(err)
	}
	cache := filepath.Join(j.cache, cacheTrivy)
	if out, err := exec.CommandContext(j.t.Context(), "database", cache).CombinedOutput(); err != nil {
		j.t.Fatalf("make the vulnerability database: %v: %s", err, out)
	}
	return j
}

// withoutTrivy makes sure that there is none.
func (j *job) withoutTrivy() *job {
	j.t.Setenv("PATH", "/usr/bin:/bin")
	return j
}

func set(with map[string]any, more map[string]any) map[string]any {
	all := maps.Clone(with)
	maps.Copy(all, more)
	return all
}

func newSession(t *testing.T, j *job, with map[string]any) *stagetest.Session {
	t.Helper()
	task := j.task(pipeline.PhasePrepare)
	text, err := json.Marshal(with)
	if err != nil {
		t.Fatal(err)
	}
	task.Stage.With = text
	return stagetest.New(t, stagetest.Options{Task: task, Files: j.files, Secrets: j.secrets, CacheRoot: j.cache})
}

func digestOf(t *testing.T, first *stagetest.Session) string {
	t.Helper()
	var kept prepared
	if err := json.Unmarshal(first.Recorded.Private[preparedFile], &kept); err != nil {
		t.Fatal(err)
	}
	return kept.Digest
}

// attached are the types of the statements that stand beside an image.
func attached(t *testing.T, j *job, tag string) []string {
	t.Helper()
	name, _ := j.with["repository"].(string)
	ref, err := ggcrname.ParseReference(name+":"+tag, ggcrname.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, d := range manifest.Manifests {
		if !isAttestation(d) {
			continue
		}
		image, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		statements, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range statements.Layers {
			types = append(types, l.Annotations[predicateType])
		}
	}
	return types
}
