package image

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
)

// app is a small multi-stage application.
func app() map[string]string {
	return map[string]string{
		"Dockerfile": "# syntax=docker/dockerfile:1\nFROM base:1 AS build\nRUN echo compiled > /app.bin\n\nFROM base:2-slim\nCOPY --from=build /app.bin /app.bin\nCOPY main.txt /main.txt\nUSER app\n",
		"main.txt":   "one", "notes.md": "not for the image", ".dockerignore": "notes.md\n",
	}
}

func TestBuildBesideTheTestsThenPublish(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	first, verdict := j.prepare()
	if !strings.Contains(verdict.Title, "3 layers") {
		t.Errorf("the title is %q", verdict.Title)
	}
	all := []string{"main", sha1, "latest", cacheTag("main")}
	if found := j.inRegistry(all...); len(found) > 0 {
		t.Fatalf("the first step has left %v in the registry", found)
	}
	for _, step := range first.Recorded.Steps {
		if step.Status != pipeline.StatusSuccess {
			t.Errorf("the step %q is %s: %s", step.Name, step.Status, step.Detail)
		}
	}
	if len(first.Recorded.Parts) > 0 || len(first.Recorded.Outputs) > 0 {
		t.Errorf("the first step publishes parts %v, outputs %v", first.Recorded.Parts, first.Recorded.Outputs)
	}
	second, verdict := j.apply(first)
	if want := "Published main, 1111111, latest; "; !strings.HasPrefix(verdict.Title, want) {
		t.Errorf("the title is %q, want %q…", verdict.Title, want)
	}
	found := j.inRegistry(all...)
	digest := found["main"]
	if digest == "" || found[sha1] != digest || found["latest"] != digest || found[cacheTag("main")] == "" {
		t.Errorf("the registry holds %v", found)
	}
	image, _ := j.with["repository"].(string)
	image += "@" + digest
	want := pipeline.Part{Kind: pipeline.PartImage, Name: "docker-build-push", Value: image, Detail: "main, 1111111, latest"}
	if !slices.Contains(second.Recorded.Parts, want) {
		t.Errorf("the parts are %v, want %v", second.Recorded.Parts, want)
	}
	if got := second.Recorded.Outputs; got["image"] != image || got["digest"] != digest || got["tags"] != "main,"+sha1+",latest" || got["repository"] != j.with["repository"] {
		t.Errorf("the outputs are %v", got)
	}
	config, err := j.image("main").ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{
		"revision": sha1, "source": "https://github.example/acme/app", "version": "main", "created": "2026-01-02T03:04:05Z",
	} {
		if got := config.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	if !config.Created.Equal(commitTime()) {
		t.Errorf("the image was made at %s, want the commit's time", config.Created)
	}
}

func TestAPullRequestBuildsAndPushesNothing(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.steps, j.trigger.Event, j.trigger.Branch, j.trigger.Base = pipeline.PrepareOnly, pipeline.EventPullRequest, branch, "main"
	// Nobody may push there, and nobody asks to.
	j.with["repository"] = world.Closed + "/acme/pr"
	first, _ := j.prepare()
	if _, found := first.SectionTitled("Image"); !found {
		t.Error("the image is not told")
	}
	j.secrets = map[string]string{secretUser: imagetest.User, secretPassword: imagetest.Password}
	if found := j.inRegistry(tagOf(branch), sha1, "latest", cacheTag(branch)); len(found) > 0 {
		t.Errorf("a pull request has left %v", found)
	}
}

func TestOtherBranchesDoNotMoveLatest(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.trigger.Branch = branch
	first, _ := j.prepare()
	j.apply(first)
	if found := j.inRegistry(tagOf(branch), sha1, "latest"); len(found) != 2 || found["latest"] != "" {
		t.Errorf("the registry holds %v", found)
	}
}

func TestARegistryWithALogin(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.with["repository"] = world.Closed + "/acme/secret"
	t.Run("nobody", func(t *testing.T) { j.t = t; j.fails("denied: requested access to the resource is denied") })
	j.secrets = map[string]string{secretUser: imagetest.User}
	t.Run("half", func(t *testing.T) { j.t = t; j.fails(secretPassword, "needs both") })
	j.secrets[secretPassword] = "wrong-password"
	t.Run("wrong", func(t *testing.T) {
		j.t = t
		s, _ := j.fails("does not accept the login")
		if strings.Contains(s.LogText(), "wrong-password") {
			t.Error("the log holds the password")
		}
	})
	j.secrets[secretPassword] = imagetest.Password
	j.t = t
	first, _ := j.prepare()
	j.apply(first)
	if found := j.inRegistry("main", cacheTag("main")); len(found) != 2 {
		t.Errorf("the registry holds %v", found)
	}
}

func TestTheSameIsNotBuiltAgain(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	first, _ := j.prepare()
	j.apply(first)
	before := j.inRegistry("main")["main"]
	// Another commit on another branch; what it changes, the build does not see.
	j.trigger.SHA, j.trigger.Branch, j.files["notes.md"] = sha2, branch, "other notes"
	second, _ := j.prepare()
	if strings.Contains(second.LogText(), "#1 ") {
		t.Errorf("something was built:\n%s", second.LogText())
	}
	section, _ := second.SectionTitled("Image")
	if !strings.Contains(section.Text, "Nothing was built: commit 1111111") {
		t.Errorf("the check says %q", section.Text)
	}
	applied, _ := j.apply(second)
	if !slices.ContainsFunc(applied.Recorded.Steps, func(s pipeline.Step) bool { return s.Name == "Keep the build cache" && s.Detail == "that of main" }) ||
		slices.ContainsFunc(applied.Recorded.Steps, func(s pipeline.Step) bool { return s.Name == "Reach the builder" }) {
		t.Errorf("the second step has built for the cache: %+v", applied.Recorded.Steps)
	}
	if caches := j.inRegistry(cacheTag("main"), cacheTag(branch)); len(caches) != 2 || caches[cacheTag("main")] != caches[cacheTag(branch)] {
		t.Errorf("the caches are %v, want that of main for both", caches)
	}
	if got := j.inRegistry(sha2, tagOf(branch)); got[sha2] != before || got[tagOf(branch)] != before {
		t.Errorf("the tags are %v, want %s", got, before)
	}
	t.Run("another file", func(t *testing.T) {
		j.t, j.files["main.txt"] = t, "two"
		third, _ := j.prepare()
		if !strings.Contains(third.LogText(), "#1 ") {
			t.Error("a changed file did not make it build")
		}
	})
	t.Run("another base", func(t *testing.T) {
		j.t, j.files["main.txt"] = t, "one"
		moved, err := imagetest.Base(map[string]string{"moved": t.Name()})
		if err != nil {
			t.Fatal(err)
		}
		if err := world.Publish(t.Context(), "library/base:1", moved); err != nil {
			t.Fatal(err)
		}
		fourth, _ := j.prepare()
		if !strings.Contains(fourth.LogText(), "#1 ") {
			t.Error("a base image that moved did not make it build")
		}
		if err := publishBases(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("asked for anew", func(t *testing.T) {
		j.t, j.trigger.Fresh = t, true
		fifth, _ := j.prepare()
		if !strings.Contains(fifth.LogText(), "#1 ") {
			t.Error("Re-run all did not make it build")
		}
	})
}

func TestWhatTheCacheHasLostIsBuiltAgainAndMustBeTheSame(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	first, _ := j.prepare()
	lose := func() {
		if err := os.RemoveAll(filepath.Join(j.cache, cacheImages)); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	second, _ := j.apply(first)
	if !strings.Contains(second.LogText(), "so it is built again") {
		t.Error("the loss is not told")
	}
	var kept prepared
	if err := json.Unmarshal(first.Recorded.Private[preparedFile], &kept); err != nil {
		t.Fatal(err)
	}
	lose()
	for platform := range kept.Manifests {
		kept.Manifests[platform] = "sha256:" + strings.Repeat("0", 64)
	}
	text, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	j.trigger.Branch = "moved"
	_, verdict, err := j.run(t.Context(), pipeline.PhaseApply, map[string][]byte{preparedFile: text})
	if err != nil || verdict.Status != pipeline.StatusFailure || !strings.Contains(verdict.Title, "moved") {
		t.Errorf("got %+v, %v; want a failure: moved", verdict, err)
	}
	if found := j.inRegistry("moved"); len(found) > 0 {
		t.Errorf("it was published all the same: %v", found)
	}
}

func TestWhatWasLostIsPublishedAsItWasShown(t *testing.T) {
	j := newJob(t, app()).withTrivy()
	first, _ := j.prepare()
	want := digestOf(t, first)
	lose := func() {
		if err := os.RemoveAll(filepath.Join(j.cache, cacheImages, layoutsDir)); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	j.apply(first)
	if got := j.inRegistry("main")["main"]; got != want {
		t.Errorf("main is %s, and %s was shown", got, want)
	}
	if types := attached(t, j, "main"); len(types) != 2 || !slices.Contains(types, spdx) {
		t.Errorf("attached is %q, want provenance and contents", types)
	}
	// The same image for another commit, made at another time.
	j.trigger.SHA, j.trigger.Branch = sha2, branch
	j.options.CommitTime = func(context.Context, runner.Session) (time.Time, error) { return commitTime().Add(time.Hour), nil }
	second, _ := j.prepare()
	if strings.Contains(second.LogText(), "#1 ") || digestOf(t, second) != want {
		t.Fatalf("the image was not used again:\n%s", second.LogText())
	}
	lose()
	third, _ := j.apply(second)
	if !strings.Contains(third.LogText(), "so it is built again") {
		t.Error("the loss is not told")
	}
	if got := j.inRegistry(sha2)[sha2]; got != want {
		t.Errorf("the tag of the second commit is %s, want %s", got, want)
	}
}

func TestADamagedImageIsNotPublished(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.with["provenance"] = false // the same image each time, so that every blob is met again
	blobs := func() []string {
		all, err := filepath.Glob(filepath.Join(j.cache, cacheImages, layoutsDir, "sha256-*", "blobs", "sha256", "*"))
		if err != nil || len(all) == 0 {
			t.Fatalf("%v, %v", all, err)
		}
		return all
	}
	first, _ := j.prepare()
	for i := range len(blobs()) {
		damaged := blobs()[i]
		if err := os.Chmod(damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(damaged, []byte("something else"), 0o600); err != nil {
			t.Fatal(err)
		}
		second, _ := j.apply(first)
		if !strings.Contains(second.LogText(), "or not whole") {
			t.Errorf("the damage of %s is not told:\n%s", damaged, second.LogText())
		}
		if got := j.inRegistry("main")["main"]; got != digestOf(t, first) {
			t.Errorf("after damage to %s main is %s, want %s", damaged, got, digestOf(t, first))
		}
	}
}

func TestBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		with  map[string]any
		words []string
		line  int
	}{
		"no Dockerfile":    {map[string]string{"a": "b"}, nil, []string{"There is no Dockerfile", "Dockerfile: the commit has no such file"}, 0},
		"no context":       {app(), map[string]any{"context": "web"}, []string{"There is no build context", "web"}, 0},
		"instruction":      {map[string]string{"Dockerfile": "FROM base:1\n\nRAN true\n"}, nil, []string{"Dockerfile:3: ", "unknown instruction: RAN"}, 3},
		"empty":            {map[string]string{"Dockerfile": ""}, nil, []string{"Dockerfile: ", "no instructions"}, 0},
		"no such base":     {map[string]string{"Dockerfile": "FROM nowhere:1\n"}, nil, []string{"The base image", "nowhere:1", "does not exist"}, 0},
		"command":          {map[string]string{"Dockerfile": "FROM base:1\nRUN echo before\nRUN echo 'no luck' && exit 3\n"}, nil, []string{"Dockerfile:3: ", "exit code: 3"}, 3},
		"missing file":     {map[string]string{"Dockerfile": "FROM base:1\nCOPY nothing /\n"}, nil, []string{"/nothing does not exist where it is copied from", "Dockerfile:2: "}, 2},
		"missing in stage": {map[string]string{"Dockerfile": "FROM base:1 AS a\nFROM base:1\nCOPY --from=a /nothing /\n"}, nil, []string{"/nothing does not exist where it is copied from", "Dockerfile:3: "}, 3},
		"missing secret":   {map[string]string{"Dockerfile": "FROM base:1\nRUN --mount=type=secret,id=NPM_TOKEN,required=true true\n"}, nil, []string{"The build has no secret NPM_TOKEN", "Dockerfile:2: ", "`secrets` of the stage"}, 2},
		"missing image":    {map[string]string{"Dockerfile": "FROM base:1\nCOPY --from=nowhere:1 /a /\n"}, nil, []string{"The base image", "nowhere:1", "does not exist"}, 0},
		"no such target":   {app(), map[string]any{"target": "other"}, []string{"other"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, c.files).withoutTrivy()
			j.with["repository"] = world.Open + "/acme/bad"
			j.with = set(j.with, c.with)
			s, verdict := j.fails(c.words...)
			if verdict.Infrastructure {
				t.Error("it is taken for a trouble of our own")
			}
			if c.line > 0 && !slices.ContainsFunc(s.Recorded.Findings, func(f pipeline.Finding) bool {
				return f.Path == "Dockerfile" && f.Line == c.line && f.Level == pipeline.LevelFailure
			}) {
				t.Errorf("no annotation on line %d: %+v", c.line, s.Recorded.Findings)
			}
			if found := j.inRegistry("main", sha1); len(found) > 0 {
				t.Errorf("the registry holds %v", found)
			}
		})
	}
}

func TestAContextThatIsTooLarge(t *testing.T) {
	files := app()
	files["data/big.bin"] = strings.Repeat("x", 3000)
	j := newJob(t, files).withoutTrivy()
	j.options.MaxContext = 2000
	j.fails("too large", "data (3.0 kB)", ".dockerignore")
	j.files[".dockerignore"] = "data\n"
	j.prepare()
}

func TestLinksOutOfTheCheckoutAreNotFollowed(t *testing.T) {
	j := newJob(t, map[string]string{"a": "b"}).withoutTrivy()
	for name, with := range map[string]map[string]any{"context": {"context": "link"}, "dockerfile": {"dockerfile": "link/Dockerfile"}} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			if err := os.WriteFile(filepath.Join(outside, "Dockerfile"), []byte("FROM base:1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := newSession(t, j, set(j.with, with))
			if err := os.Symlink(outside, filepath.Join(s.Dir(), "link")); err != nil {
				t.Fatal(err)
			}
			verdict, err := New(j.options).Run(t.Context(), s)
			if err != nil || verdict.Status != pipeline.StatusFailure || !strings.Contains(verdict.Cause, "leads out of the repository") {
				t.Errorf("got %+v, %v", verdict, err)
			}
		})
	}
}

func TestIgnoreFilesOutOfTheCheckoutAreNotRead(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("hunter2-of-the-machine\n[\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	j := newJob(t, app()).withoutTrivy()
	delete(j.files, ".dockerignore")
	for name, c := range map[string]struct{ link, to string }{
		"a file of the machine": {".dockerignore", outside}, "that of a Dockerfile": {"Dockerfile.dockerignore", outside},
		"a device": {".dockerignore", "/dev/null"}, "a device by way of a link": {"Dockerfile.dockerignore", "../../../../../../../../dev/null"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(t, j, j.with)
			if err := os.Symlink(c.to, filepath.Join(s.Dir(), c.link)); err != nil {
				t.Fatal(err)
			}
			verdict, err := New(j.options).Run(t.Context(), s)
			if err != nil || verdict.Status != pipeline.StatusFailure || verdict.Title != "The file "+c.link+" cannot be read" {
				t.Errorf("got %+v, %v", verdict, err)
			}
			if text := s.LogText() + verdict.Cause; strings.Contains(text, "hunter2") {
				t.Errorf("what the file holds is told: %s", text)
			}
		})
	}
}

func TestABadPatternIsNamed(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.files[".dockerignore"] = "notes.md\nother/*\n[a-\n"
	_, verdict := j.fails("A pattern of .dockerignore cannot be read", "[a-")
	if strings.Contains(verdict.Cause, "notes.md") {
		t.Errorf("the cause is the whole list: %s", verdict.Cause)
	}
	// A link within the repository is followed, as the builder does.
	j.files["ignored"], j.files["data/big.bin"] = "data\n", strings.Repeat("x", 3000)
	delete(j.files, ".dockerignore")
	j.options.MaxContext = 2000
	s := newSession(t, j, j.with)
	if err := os.Symlink("ignored", filepath.Join(s.Dir(), ".dockerignore")); err != nil {
		t.Fatal(err)
	}
	if verdict, err := New(j.options).Run(t.Context(), s); err != nil || verdict.Status != pipeline.StatusSuccess {
		t.Errorf("got %+v, %v", verdict, err)
	}
}

func TestARegistryThatIsDown(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.with["repository"] = "127.0.0.1:1/acme/app"
	j.options.Insecure = []string{"127.0.0.1:1"}
	if _, verdict := j.fails("127.0.0.1:1 cannot be reached"); !verdict.Infrastructure {
		t.Error("it is not tried again")
	}
}

func TestNoBuilder(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.options.Builder.Address = "unix:///nowhere/buildkitd.sock"
	if _, verdict := j.fails("There is no builder", "SLIPWAY_BUILDKIT"); !verdict.Infrastructure {
		t.Error("it is not tried again")
	}
}

func TestACancelWhileItBuilds(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM base:1\nRUN echo begun; sleep 600\n"}).withoutTrivy()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a person said so")
	s := newSession(t, j, j.with)
	done := make(chan error, 1)
	go func() {
		_, err := New(j.options).Run(ctx, s)
		done <- err
	}()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.LogText(), "begun") && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond) // the log has no bell
	}
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v, want the cause of the cancel", err)
	}
}

func TestAStrangersCommitHasNoCacheOfOthers(t *testing.T) {
	dockerfile := "FROM base:1\nRUN --mount=type=cache,target=/c echo x >> /c/all; echo \"lines $(wc -l < /c/all)\"\n"
	j := newJob(t, map[string]string{"Dockerfile": dockerfile}).withoutTrivy()
	j.steps = pipeline.PrepareOnly
	first, _ := j.prepare()
	if !strings.Contains(first.LogText(), "lines 1") {
		t.Fatal(first.LogText())
	}
	j.untrusted, j.cache = true, t.TempDir()
	second, _ := j.prepare()
	if !strings.Contains(second.LogText(), "lines 1") || strings.Contains(second.LogText(), "from cache") {
		t.Errorf("a stranger's build sees what others left:\n%s", second.LogText())
	}
	j.untrusted, j.cache, j.trigger.Fresh = false, t.TempDir(), true
	third, _ := j.prepare()
	if strings.Contains(third.LogText(), "lines 2") {
		t.Errorf("a stranger's build left something for others:\n%s", third.LogText())
	}
}

// The name of a cache's folder is in no cache key, so that a stranger's build, which fills its own folder in another stage,
// could leave the result of a step that trusted builds have, too.
func TestAStrangersResultsAreNotFoundByTrustedBuilds(t *testing.T) {
	const (
		copies = "RUN --mount=type=cache,id=x,target=/c for i in 1 2 3 4 5 6 7 8; do test -e /c/f && break; sleep 0.25; done; cp /c/f /out || echo own > /out\n"
		tells  = "RUN echo \"out is $(cat /out)\"\n"
	)
	j := newJob(t, map[string]string{"Dockerfile": "FROM base:1\n" + copies + "COPY main.txt /main.txt\n" + tells, "main.txt": "one"}).withoutTrivy()
	j.steps = pipeline.PrepareOnly
	first, _ := j.prepare()
	if !strings.Contains(first.LogText(), "out is own") {
		t.Fatal(first.LogText())
	}
	trusted := *j
	j.untrusted, j.cache = true, t.TempDir()
	j.files = map[string]string{"Dockerfile": "FROM base:1 AS fill\nRUN --mount=type=cache,id=x,target=/c echo stranger > /c/f; touch /filled\n" +
		"FROM base:1\n" + copies + "COPY --from=fill /filled /filled\n" + tells}
	second, _ := j.prepare()
	if !strings.Contains(second.LogText(), "out is stranger") {
		t.Fatalf("the stranger has not filled its own folder:\n%s", second.LogText())
	}
	trusted.files["main.txt"] = "two"
	third, _ := trusted.prepare()
	if !strings.Contains(third.LogText(), "out is own") || !strings.Contains(third.LogText(), "from cache") {
		t.Errorf("a trusted build uses what a stranger's has left:\n%s", third.LogText())
	}
}

func TestAStrangerBringsNoFrontend(t *testing.T) {
	for name, c := range map[string]struct {
		first string
		args  map[string]string
	}{
		"by its line":                          {first: "# syntax=docker.io/evil/frontend:1\n"},
		"by its argument":                      {args: map[string]string{"BUILDKIT_SYNTAX": "evil/frontend:1"}},
		"by its line, which an argument hides": {first: "# syntax=docker/dockerfile:1\n", args: map[string]string{"BUILDKIT_SYNTAX": "docker/dockerfile-upstream"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, map[string]string{"Dockerfile": c.first + "FROM base:1\nRUN true\n"}).withoutTrivy()
			j.with["repository"], j.with["build-args"] = world.Open+"/acme/strange", c.args
			j.steps, j.untrusted = pipeline.PrepareOnly, true
			j.fails("frontend", "docker/dockerfile")
		})
	}
	// One that is fetched would choose its folders itself in versions that know no scope; BuildKit's own reads it.
	for _, line := range []string{"docker/dockerfile:1.0-experimental", "docker.io/docker/dockerfile:1.99@sha256:" + strings.Repeat("0", 64), "docker/dockerfile"} {
		t.Run(line, func(t *testing.T) {
			j := newJob(t, map[string]string{"Dockerfile": "# syntax=" + line + "\nFROM base:1\nRUN true\n"}).withoutTrivy()
			j.with["repository"] = world.Open + "/acme/strange"
			j.steps, j.untrusted = pipeline.PrepareOnly, true
			j.prepare()
		})
	}
}

func TestSecretsOfABuild(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM base:1\n" +
		"RUN --mount=type=secret,id=NPM_TOKEN,required=true echo \"the token is $(cat /run/secrets/NPM_TOKEN)\"\n" +
		"RUN --mount=type=secret,id=DOCKER_PASSWORD test ! -e /run/secrets/DOCKER_PASSWORD\n"}).withoutTrivy()
	j.names = []string{"NPM_TOKEN"}
	j.secrets = map[string]string{"NPM_TOKEN": "npm-0123456789", secretUser: imagetest.User, secretPassword: imagetest.Password}
	first, _ := j.prepare()
	if strings.Contains(first.LogText(), "npm-0123456789") || !strings.Contains(first.LogText(), "the token is ***") {
		t.Errorf("the log:\n%s", first.LogText())
	}
	made, found := store{filepath.Join(j.cache, cacheImages), time.Now}.find(digestOf(t, first))
	if !found {
		t.Fatal("the image is not in the cache")
	}
	for _, one := range made.images {
		config, err := one.image.RawConfigFile()
		if err != nil || strings.Contains(string(config), "npm-0123456789") {
			t.Errorf("the configuration holds the secret (%v)", err)
		}
	}
}

func TestPlatformsAreOneIndex(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a.txt /\n", "a.txt": "one"}).withoutTrivy()
	j.with["platforms"] = []string{"linux/amd64", "linux/arm64"}
	first, verdict := j.prepare()
	if !strings.HasPrefix(verdict.Title, "2 layers") {
		t.Errorf("the title is %q", verdict.Title)
	}
	j.apply(first)
	if digest := j.inRegistry("main")["main"]; digest != digestOf(t, first) {
		t.Errorf("main is %s, want %s", digest, digestOf(t, first))
	}
	if err := os.RemoveAll(filepath.Join(j.cache, cacheImages)); err != nil {
		t.Fatal(err)
	}
	j.with["repository"] = world.Open + "/acme/platforms-again"
	j.apply(first)
	if digest := j.inRegistry("main")["main"]; digest != digestOf(t, first) {
		t.Errorf("lost and built again it is %s, want %s", digest, digestOf(t, first))
	}
}

func TestCachesOfOtherKinds(t *testing.T) {
	for _, kind := range []string{cacheLocal, cacheNone} {
		t.Run(kind, func(t *testing.T) {
			j := newJob(t, app()).withoutTrivy()
			j.with["repository"], j.with["cache"] = world.Open+"/acme/"+kind, kind
			for range 2 {
				first, _ := j.prepare()
				j.apply(first)
				if kind == cacheNone && strings.Contains(first.LogText(), "from cache") {
					t.Error("something came from a cache")
				}
			}
			if found := j.inRegistry(cacheTag("main")); len(found) > 0 {
				t.Errorf("the registry holds %v", found)
			}
			kept, err := filepath.Glob(filepath.Join(j.cache, cacheSteps, "steps-*", "index.json"))
			if err != nil || (len(kept) > 0) != (kind == cacheLocal) {
				t.Errorf("the folders of the cache: %v (%v)", kept, err)
			}
		})
	}
}

func TestALocalCacheDoesNotGrow(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.with["cache"], j.steps = cacheLocal, pipeline.PrepareOnly
	const changed = 200_000
	var sizes []int64
	for range 8 {
		random := make([]byte, changed)
		_, _ = rand.Read(random) // it never fails
		j.files["main.txt"] = string(random)
		j.prepare()
		sizes = append(sizes, diskUsage(t, filepath.Join(j.cache, cacheSteps)))
	}
	if grown := sizes[7] - sizes[3]; grown > changed/2 {
		t.Errorf("four builds more have left %d bytes more: %v", grown, sizes)
	}
	// What is kept serves another builder.
	fresh, err := world.AnotherBuildkit(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	j.options.Builder.Address, j.files["main.txt"] = fresh, "another"
	s, _ := j.prepare()
	if section, _ := s.SectionTitled("Image"); !strings.Contains(section.Text, " of 3 steps came from the cache") || strings.Contains(section.Text, " 0 of 3 ") {
		t.Errorf("the check says %q\n%s", section.Text, s.LogText())
	}
	j.files["Dockerfile"] = "FROM base:1\nRUN exit 1\n"
	j.fails("exit code: 1")
	if left, err := filepath.Glob(filepath.Join(j.cache, cacheSteps, newPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("a failed build has left %v (%v)", left, err)
	}
}

// diskUsage is the size of all files below a folder, each once however many names it has.
func diskUsage(t *testing.T, dir string) (total int64) {
	t.Helper()
	seen := map[uint64]bool{}
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if file, ok := info.Sys().(*syscall.Stat_t); ok && !seen[file.Ino] {
			seen[file.Ino] = true
			total += info.Size()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}
