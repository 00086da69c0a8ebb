package image

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/diagnosis"
	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/signature"
)

func TestAnotherBuilderHasTheCacheOfTheBranchElseOfTheDefaultOne(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	first, _ := j.prepare()
	j.apply(first)
	fresh, err := world.AnotherBuildkit(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	j.options.Builder.Address, j.trigger.Branch, j.trigger.SHA = fresh, branch, sha2
	j.files["main.txt"] = "two"
	second, _ := j.prepare()
	section, _ := second.SectionTitled("Image")
	if !strings.Contains(section.Text, "2 of 3 steps came from the cache") {
		t.Errorf("the check says %q\n%s", section.Text, second.LogText())
	}
}

func TestSigned(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("..", "..", "signature", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	j.secrets[secretSignKey], j.secrets[secretSignWord] = read("cosign.key"), "of the test"
	first, _ := j.prepare()
	second, _ := j.apply(first)
	key, err := signature.ParsePublicKey(read("cosign.pub"))
	if err != nil {
		t.Fatal(err)
	}
	digest := second.Recorded.Outputs["digest"]
	if err := signature.Verify(t.Context(), j.repository(), digest, key); err != nil {
		t.Error(err)
	}
	j.secrets[secretSignWord] = "wrong word"
	j.trigger.Branch = "unsigned"
	s, verdict, err := j.run(t.Context(), pipeline.PhaseApply, first.Recorded.Private)
	if err != nil || verdict.Status != pipeline.StatusFailure || !strings.Contains(verdict.Cause, "password does not open the key") {
		t.Errorf("got %+v, %v\n%s", verdict, err, s.LogText())
	}
	if found := j.inRegistry("unsigned"); len(found) > 0 {
		t.Errorf("an image without its signature got tags: %v", found)
	}
}

func TestProvenanceNamesTheCommit(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	first, _ := j.prepare()
	made, found := store{filepath.Join(j.cache, cacheImages), time.Now}.find(digestOf(t, first))
	if !found {
		t.Fatal("the image is not in the cache")
	}
	all, _, err := made.attached()
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, blob := range all.Blobs {
		if strings.Contains(string(blob), `"predicateType":"https://slsa.dev/provenance/`) {
			text = string(blob)
		}
	}
	for _, want := range []string{`"source":"https://github.example/acme/app"`, `"revision":"` + sha1 + `"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the provenance lacks %s:\n%s", want, text)
		}
	}
}

func TestADiskThatIsFull(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM base:1\nRUN dd if=/dev/zero of=/big bs=1M count=200\n"}).withoutTrivy()
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=48m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(root, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	small, err := world.AnotherBuildkit(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	j.options.Builder.Address = small
	s, verdict := j.fails("Dockerfile:2")
	found := diagnosis.Find(pipeline.StageSpec{Uses: "image"}, verdict, s.Recorded.Lines)
	if found == nil || found.ID != "disk-full" {
		t.Errorf("the diagnosis is %+v of\n%s", found, s.LogText())
	}
	if found := j.inRegistry("main", sha1); len(found) > 0 {
		t.Errorf("the registry holds %v", found)
	}
}

func TestACancelInMidPush(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	first, _ := j.prepare()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a person said so")
	target, err := url.Parse("http://" + world.Open)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			cancel(why)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	j.with["repository"], j.options.Insecure = host+"/acme/cancelled", []string{host}
	if _, _, err := j.run(ctx, pipeline.PhaseApply, first.Recorded.Private); !errors.Is(err, why) {
		t.Errorf("got %v, want the cause of the cancel", err)
	}
	j.with["repository"], j.options.Insecure = world.Open+"/acme/cancelled", []string{world.Open}
	if found := j.inRegistry("main", sha1, "latest"); len(found) > 0 {
		t.Errorf("the registry holds %v", found)
	}
	// Retried, it is published whole.
	j.apply(first)
	if found := j.inRegistry("main", sha1, "latest"); len(found) != 3 {
		t.Errorf("the registry holds %v", found)
	}
}

// flaky stands between the stage and the open registry, and answers 503 to what it is told to.
func flaky(t *testing.T, refuses func(*http.Request) bool) (host string) {
	t.Helper()
	target, err := url.Parse("http://" + world.Open)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuses(r) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestARegistryThatGoesDownBeforeThePush(t *testing.T) {
	for name, refuses := range map[string]func(*http.Request) bool{
		"everything": func(*http.Request) bool { return true },
		"the manifests": func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256")
		},
		"the tags": func(r *http.Request) bool {
			return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/main")
		},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJob(t, app()).withoutTrivy()
			repository := "/acme/" + strings.ReplaceAll(name, " ", "-")
			j.with["repository"] = world.Open + repository
			first, _ := j.prepare()
			host := flaky(t, refuses)
			j.with["repository"], j.options.Insecure = host+repository, []string{host}
			s, verdict, err := j.run(t.Context(), pipeline.PhaseApply, first.Recorded.Private)
			if err != nil || verdict.Status != pipeline.StatusFailure || !verdict.Infrastructure || !strings.Contains(verdict.Cause, host) {
				t.Errorf("got %+v, %v; want a failure that is tried again\n%s", verdict, err, s.LogText())
			}
			if len(s.Recorded.Parts) > 0 || len(s.Recorded.Outputs) > 0 {
				t.Errorf("it publishes parts %v, outputs %v", s.Recorded.Parts, s.Recorded.Outputs)
			}
			j.with["repository"], j.options.Insecure = world.Open+repository, []string{world.Open}
			if found := j.inRegistry("main", sha1, "latest"); len(found) > 0 {
				t.Errorf("the registry holds %v", found)
			}
			j.apply(first)
			if found := j.inRegistry("main", sha1, "latest"); len(found) != 3 {
				t.Errorf("tried again, the registry holds %v", found)
			}
		})
	}
}

func TestAPasswordThatIsWrongBeforeThePush(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	j.with["repository"] = world.Closed + "/acme/rotated"
	j.secrets = map[string]string{secretUser: imagetest.User, secretPassword: imagetest.Password}
	first, _ := j.prepare()
	j.secrets[secretPassword] = "rotated-meanwhile"
	s, verdict, err := j.run(t.Context(), pipeline.PhaseApply, first.Recorded.Private)
	if err != nil || verdict.Status != pipeline.StatusFailure || verdict.Infrastructure || !strings.Contains(verdict.Title, "does not accept the login") {
		t.Errorf("got %+v, %v", verdict, err)
	}
	if found := diagnosis.Find(pipeline.StageSpec{Uses: "image"}, verdict, s.Recorded.Lines); found == nil || found.ID != "registry-login-refused" {
		t.Errorf("the diagnosis is %+v", found)
	}
	j.secrets[secretPassword] = imagetest.Password
	if found := j.inRegistry("main", sha1, "latest"); len(found) > 0 {
		t.Errorf("the registry holds %v", found)
	}
}

// The disk of the bot's own cache, where the image lies between the steps.
func TestADiskOfTheCacheThatIsFull(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM base:1\nRUN dd if=/dev/urandom of=/big bs=1M count=40\n"}).withoutTrivy()
	roomy := j.cache
	j.cache = t.TempDir()
	if err := syscall.Mount("tmpfs", j.cache, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(j.cache, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	small := j.cache
	s, verdict, err := j.run(t.Context(), pipeline.PhasePrepare, nil)
	if err != nil || verdict.Status != pipeline.StatusFailure {
		t.Fatalf("got %+v, %v\n%s", verdict, err, s.LogText())
	}
	if verdict.Title != "The disk of the bot's cache is full" || !verdict.Infrastructure {
		t.Errorf("the verdict is %+v", verdict)
	}
	if found := diagnosis.Find(pipeline.StageSpec{Uses: "image"}, verdict, s.Recorded.Lines); found == nil || found.ID != "disk-full" {
		t.Errorf("the diagnosis is %+v of %+v\n%s", found, verdict, s.LogText())
	}
	left, err := os.ReadDir(filepath.Join(small, cacheImages, layoutsDir))
	if err != nil || len(left) > 0 {
		t.Errorf("half an image is left: %v, %v", left, err)
	}
	j.cache = roomy
	defer func() { j.cache = small }() // for the unmount
	first, _ := j.prepare()
	j.apply(first)
}

func TestBuildArgumentsTargetAndAnotherDockerfile(t *testing.T) {
	j := newJob(t, map[string]string{
		"web/build/Dockerfile.prod": "ARG BASE=nowhere\nFROM $BASE:1 AS app\nARG WORD=none\nENV WORD=$WORD\nCOPY main.txt /main.txt\nFROM app AS tests\nRUN exit 1\n",
		"web/main.txt":              "one",
	}).withoutTrivy()
	j.with["context"], j.with["dockerfile"], j.with["target"] = "web", "web/build/Dockerfile.prod", "app"
	j.with["build-args"] = map[string]string{"BASE": "base", "WORD": "given"}
	first, _ := j.prepare()
	j.apply(first)
	config, err := j.image("main").ConfigFile()
	if err != nil || !slices.Contains(config.Config.Env, "WORD=given") {
		t.Errorf("the environment of the image is %v (%v)", config.Config.Env, err)
	}
}

func TestPushNever(t *testing.T) {
	j := newJob(t, app()).withoutTrivy()
	delete(j.with, "repository")
	j.with["push"] = "never"
	first, _ := j.prepare()
	second, verdict := j.apply(first)
	if len(second.Recorded.Parts) > 0 || !strings.Contains(verdict.Title, "not pushed") {
		t.Errorf("%+v, parts %v", verdict, second.Recorded.Parts)
	}
}

// TestADockerEngineBuildsToo runs where a Docker engine answers: scripts/e2e starts one.
func TestADockerEngineBuildsToo(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY main.txt /main.txt\nUSER 1000\n", "main.txt": "one"}).withoutTrivy()
	host := startDocker(t)
	t.Setenv("DOCKER_HOST", host)
	j.options.Builder = buildkit.Settings{}
	if _, err := os.Stat(buildkit.LocalSocket); err == nil {
		t.Skip("this machine's own BuildKit comes first")
	}
	first, verdict := j.prepare()
	if !strings.HasPrefix(verdict.Title, "1 layer, ") {
		t.Errorf("the title is %q", verdict.Title)
	}
	j.apply(first)
	config, err := j.image("main").ConfigFile()
	if err != nil || config.Config.User != "1000" || config.Config.Labels["org.opencontainers.image.revision"] != sha1 {
		t.Errorf("the image is %+v (%v)", config, err)
	}
	j.files["Dockerfile"] = "FROM scratch\nCOPY missing /\n"
	j.fails("missing")
}
