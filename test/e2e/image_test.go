package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/imagetest"
)

// needBuilder skips the test where images cannot be built for real.
func needBuilder(t *testing.T, programs ...string) {
	t.Helper()
	binary(t)
	lacks := ""
	if os.Getuid() != 0 {
		lacks = "BuildKit runs containers, which takes root"
	}
	for _, program := range append([]string{"buildkitd", "runc", "docker-registry", "busybox"}, programs...) {
		if _, err := imagetest.Tool(program); err != nil {
			lacks = err.Error()
		}
	}
	switch {
	case lacks == "":
	case os.Getenv("CI") == "true":
		t.Fatal(lacks)
	default:
		t.Skip(lacks)
	}
}

// imageWorld is a BuildKit, registries and the base image that Dockerfiles of the tests begin with.
func imageWorld(t *testing.T) *imagetest.World {
	t.Helper()
	needBuilder(t)
	world, err := imagetest.Start(t.Context())
	must(t, err)
	t.Cleanup(func() {
		if err := world.Stop(); err != nil {
			t.Error(err)
		}
	})
	base, err := imagetest.Base(nil)
	must(t, err)
	must(t, world.Publish(t.Context(), "library/base:1", base))
	return world
}

// tagsOf are the tags of a repository in a registry; none where it does not exist.
func tagsOf(t *testing.T, registry, repository string) []string {
	t.Helper()
	answer, err := http.Get("http://" + registry + "/v2/" + repository + "/tags/list")
	must(t, err)
	defer answer.Body.Close()
	var list struct{ Tags []string }
	if answer.StatusCode != http.StatusNotFound {
		must(t, json.NewDecoder(answer.Body).Decode(&list))
	}
	slices.Sort(list.Tags)
	return list.Tags
}

// gate is a server that answers when the test lets it: a stage asks it, and goes on then.
type gate struct {
	server *httptest.Server
	open   chan struct{}
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{open: make(chan struct{})}
	g.server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-g.open }))
	t.Cleanup(func() {
		g.let()
		g.server.Close()
	})
	return g
}

func (g *gate) let() {
	select {
	case <-g.open:
	default:
		close(g.open)
	}
}

// script waits at the gate.
func (g *gate) script() string {
	_, port, _ := strings.Cut(g.server.Listener.Addr().String(), ":")
	return "exec 3<>/dev/tcp/127.0.0.1/" + port + "\nprintf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3\ncat <&3 >/dev/null\n"
}

const imagePipeline = `on:
  push: {branches: [main]}
  pull_request: {branches: [main]}
stages:
  build-and-test: {run: [bash test.sh]}
  docker-build-push:
    uses: image
    needs: [build-and-test]
    with: {repository: %s/acme/shop, scan: {fail-on: none}}
  after:
    needs: [docker-build-push]
    run: ["echo the image is $SLIPWAY_IMAGE"]
  deployment-summary: {uses: summary}
`

func imageSite(t *testing.T, world *imagetest.World, pipeline string, more githubtest.Files) *site {
	t.Helper()
	files := githubtest.Files{
		".github/slipway.yml": fmt.Sprintf(pipeline, world.Open), "test.sh": "true\n", "main.txt": "one",
		"Dockerfile": "FROM base:1 AS build\nRUN echo compiled > /app.bin\nFROM base:1\nCOPY --from=build /app.bin /app.bin\nCOPY main.txt /main.txt\nUSER app\n",
	}
	maps.Copy(files, more)
	s := newSite(t, files)
	s.env = []string{"SLIPWAY_BUILDKIT=" + world.Buildkit, "SLIPWAY_INSECURE_REGISTRIES=" + world.Open}
	s.start()
	return s
}

// An image is built while the tests run, and is in the registry only when they have passed.
func TestAnImageIsPublishedAfterTheTests(t *testing.T) {
	world := imageWorld(t)
	s := imageSite(t, world, imagePipeline, nil)
	tests := newGate(t)
	sha := s.push("main", githubtest.Files{"test.sh": tests.script() + "echo tested\n"}, "slow tests")
	s.check(sha, "build-and-test", func(run githubtest.CheckRun) bool { return run.Status == "in_progress" })
	s.waitFor("the image to be built beside the tests", func() bool { return strings.Contains(s.log.String(), `"title":"3 layers`) })
	if test, _ := s.github.CheckRun(repo, sha, "build-and-test"); test.Status != "in_progress" {
		t.Errorf("the tests are %s", test.Status)
	}
	if tags := tagsOf(t, world.Open, "acme/shop"); len(tags) > 0 {
		t.Errorf("before the tests have passed there is %v", tags)
	}
	tests.let()
	image := s.check(sha, "docker-build-push", concluded)
	if image.Conclusion != "success" || !strings.HasPrefix(image.Title, "Published main, "+sha[:7]+", latest") {
		t.Errorf("%s %q\n%s", image.Conclusion, image.Title, image.Summary)
	}
	if got, want := tagsOf(t, world.Open, "acme/shop"), []string{sha, "buildcache-main", "latest", "main"}; !sameWords(got, want) {
		t.Errorf("the registry has %v, want %v", got, want)
	}
	after := s.check(sha, "after", concluded)
	if !regexp.MustCompile(`the image is ` + regexp.QuoteMeta(world.Open) + `/acme/shop@sha256:[0-9a-f]{64}`).MatchString(after.Text) {
		t.Errorf("a later stage has not the image by its digest:\n%s", after.Text)
	}
}

func TestAFailingTestLeavesNoTag(t *testing.T) {
	world := imageWorld(t)
	s := imageSite(t, world, imagePipeline, nil)
	tests := newGate(t)
	sha := s.push("main", githubtest.Files{"test.sh": tests.script() + "exit 1\n"}, "bad tests")
	s.waitFor("the image to be built beside the tests", func() bool { return strings.Contains(s.log.String(), `"title":"3 layers`) })
	tests.let()
	if image := s.check(sha, "docker-build-push", concluded); image.Conclusion != "skipped" || !strings.Contains(image.Title, "build-and-test") {
		t.Errorf("%s %q", image.Conclusion, image.Title)
	}
	s.check(sha, "deployment-summary", concluded)
	if tags := tagsOf(t, world.Open, "acme/shop"); len(tags) > 0 {
		t.Errorf("a failing test has left %v", tags)
	}
}

func TestAPullRequestPushesNoImage(t *testing.T) {
	world := imageWorld(t)
	s := imageSite(t, world, imagePipeline, nil)
	head, _ := s.proposal(t, "feature", "new")
	image := s.check(head, "docker-build-push", concluded)
	if image.Conclusion != "success" || !strings.HasPrefix(image.Title, "3 layers") || !strings.Contains(image.Summary, "Made by") {
		t.Errorf("%s %q\n%s", image.Conclusion, image.Title, image.Summary)
	}
	if tags := tagsOf(t, world.Open, "acme/shop"); len(tags) > 0 {
		t.Errorf("a pull request has left %v", tags)
	}
}

const signedPipeline = imagePipeline + `
  deploy:
    environment: production
    needs: [docker-build-push]
    run: [bash deploy.sh]
environments:
  production: {branches: [main], require-signed: {commits: false}}
`

func TestOnlySignedImagesAreDeployed(t *testing.T) {
	world, p := imageWorld(t), newPlace(t)
	s := imageSite(t, world, strings.Replace(signedPipeline, "  deployment-summary: {uses: summary}\n", "", 1), githubtest.Files{"deploy.sh": p.script(t)})
	secret := func(name, file string) {
		text, err := os.ReadFile("../../internal/signature/testdata/" + file)
		must(t, err)
		s.secret(name, string(text))
	}
	refused := func(sha, why string) {
		t.Helper()
		deploy := s.check(sha, "deploy (production)", concluded)
		if deploy.Conclusion != "failure" || !strings.Contains(deploy.Summary, why) {
			t.Errorf("%s %q\n%s", deploy.Conclusion, deploy.Title, deploy.Summary)
		}
		if p.told() > 0 {
			t.Errorf("it was deployed all the same: %s", p.runs("production"))
		}
	}
	refused(s.push("main", githubtest.Files{"main.txt": "two"}, "no key at all"), "COSIGN_PUBLIC_KEY")
	secret("COSIGN_PUBLIC_KEY", "cosign.pub")
	refused(s.push("main", githubtest.Files{"main.txt": "three"}, "not signed"), "there is no signature")
	secret("COSIGN_PRIVATE_KEY", "cosign.key")
	s.secret("COSIGN_PASSWORD", "of the test")
	sha := s.push("main", githubtest.Files{"main.txt": "four"}, "signed")
	if deploy := s.check(sha, "deploy (production)", concluded); deploy.Conclusion != "success" || p.runs("production") != sha {
		t.Errorf("%s %q, production runs %q\n%s", deploy.Conclusion, deploy.Title, p.runs("production"), deploy.Summary)
	}
}

// The demo builds the example's own Dockerfile, scans it with Trivy and publishes it.
func TestDemoBuildsScansAndPublishesTheExample(t *testing.T) {
	needBuilder(t, "trivy", "database")
	world, err := imagetest.StartRegistries(t.Context())
	must(t, err)
	t.Cleanup(func() {
		if err := world.Stop(); err != nil {
			t.Error(err)
		}
	})
	advisories := world.Open + "/aquasec/trivy-db:2"
	must(t, publishAdvisories(t, advisories))
	temp, out := t.TempDir(), &lockedBuffer{}
	cmd := exec.Command(binary(t), "demo", "--addr", "127.0.0.1:0")
	cmd.Env = append(environment(), "TMPDIR="+temp, "XDG_CACHE_HOME="+t.TempDir(), "TRIVY_DB_REPOSITORY="+advisories, "SLIPWAY_TOOLS="+filepath.Dir(imagetest.ToolFolder()))
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the code is looked at
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // gone already: what was wanted
		<-ended
	})
	said := demoSays(t, out, ended)
	if said["lacks"] != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(said["lacks"])
		}
		t.Skip(said["lacks"])
	}
	sha := said["sha"]
	if got, want := tagsOf(t, said["registry"], "acme/inventory-manager"), []string{sha, "buildcache-main", "latest", "main"}; !sameWords(got, want) {
		t.Errorf("the registry has %v, want %v", got, want)
	}
	check := demoCheck(t, said["stand-in"], sha, "docker-build-push")
	for _, part := range []string{
		"Published main, " + sha[:7] + ", latest", "0 critical, 0 high", // the title
		said["registry"] + "/acme/inventory-manager@sha256:", said["registry"] + "/acme/inventory-manager:latest", // tags, digest
		"COPY --from=build /venv /venv", "MB", "came from the cache", // layers
		"Vulnerabilities", "Critical", "CVE-2005-2541", "The vulnerability database is of ", "1 ignored finding (.trivyignore)", // the scan
		"sbom.spdx.json", "trivy.sarif", "Not run as root", "Built in stages",
	} {
		if !strings.Contains(check, part) {
			t.Errorf("the check lacks %q", part)
		}
	}
	if t.Failed() {
		t.Log(check)
	}
	must(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
	<-ended
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	left, err := os.ReadDir(temp)
	must(t, err)
	if len(left) > 0 || mentioned(t, temp) {
		t.Errorf("files %v and processes are left", left)
	}
}

// A machine that has nothing of it is told what to run, and the rest of the demo goes on.
func TestDemoSaysWhatImagesTake(t *testing.T) {
	if _, err := exec.LookPath("buildkitd"); err == nil {
		t.Skip("this machine has a buildkitd of its own")
	}
	temp, out := t.TempDir(), &lockedBuffer{}
	cmd := exec.Command(binary(t), "demo", "--addr", "127.0.0.1:0")
	cmd.Env = append(environment(), "TMPDIR="+temp, "SLIPWAY_TOOLS="+t.TempDir())
	cmd.Stdout, cmd.Stderr = out, out
	must(t, cmd.Start())
	eventually(t, "the stage to be left out", func() bool { return strings.Contains(out.String(), "docker-build-push: skipped: ") })
	eventually(t, "the tests to run", func() bool { return strings.Contains(out.String(), "build-and-test: running") })
	must(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait() // the code is looked at
	want := "there is no buildkitd on this machine: make demo-images makes it"
	if os.Getuid() != 0 {
		want = "when root runs it only"
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(out.String(), want) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// publishAdvisories puts a vulnerability database of a few advisories where Trivy fetches it from.
func publishAdvisories(t *testing.T, reference string) error {
	t.Helper()
	program, err := imagetest.Tool("database")
	must(t, err)
	dir := t.TempDir()
	if said, err := exec.CommandContext(t.Context(), program, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return imagetest.PublishDatabase(t.Context(), reference, dir)
}

// demoSays waits until the demo waits for a person, and returns the addresses that it has told.
func demoSays(t *testing.T, out *lockedBuffer, ended <-chan struct{}) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for !strings.Contains(out.String(), "Ctrl-C ends the demo") {
		select {
		case <-time.After(100 * time.Millisecond): // a terminal has no bell
		case <-ended:
			t.Fatalf("the demo has ended:\n%s", out)
		case <-ctx.Done():
			t.Fatalf("the demo does not come to its end:\n%s", out)
		}
	}
	said := map[string]string{}
	for name, pattern := range map[string]string{
		"registry": `A registry of images is started on ([0-9.:]+),`, "stand-in": `The stand-in +(http://\S+)`, "lacks": `docker-build-push: skipped: (.+)`,
	} {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(out.String()); found != nil {
			said[name] = found[1]
		}
	}
	page := fetch(t, said["stand-in"])
	found := regexp.MustCompile(`/commit/([0-9a-f]{40})`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no commit on %s:\n%s\n%s", said["stand-in"], page, out)
	}
	said["sha"] = found[1]
	return said
}

// demoCheck is the text of a check as the stand-in shows it.
func demoCheck(t *testing.T, repository, sha, name string) string {
	t.Helper()
	page := fetch(t, repository+"/commit/"+sha)
	link := regexp.MustCompile(`(?s)<strong>` + regexp.QuoteMeta(name) + `</strong>.*?href="(/[^"]+/runs/\d+)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("no check %s:\n%s", name, page)
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(repository, "http://"), "/")
	text := regexp.MustCompile(`<[^>]*>`).ReplaceAllString(fetch(t, "http://"+host+link[1]), "")
	return html.UnescapeString(text)
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	return (&site{T: t}).page(url)
}

// sameWords compares without order.
func sameWords(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
