package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/smoke"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
	"github.com/slipwayhq/slipway/test/cluster"
)

// These tests deploy to a real cluster: that of make cluster-up, or KUBECONFIG's.

// site is one environment, and what has been released to it.
type site struct {
	*testing.T
	namespace  string
	kubeconfig string
	run        int64
	secrets    map[string]string
	current    *pipeline.Release
	files      map[string][]byte // of the current release
	// older are releases by number, with their files.
	older map[int64]released
	// ahead is how far the clock of the stage is ahead, in nanoseconds.
	ahead *atomic.Int64
}

type released struct {
	pipeline.Release
	files map[string][]byte
}

func newSite(t *testing.T) *site {
	t.Helper()
	if os.Getenv("SLIPWAY_E2E") != "1" {
		t.Skip("tests that take a cluster run with SLIPWAY_E2E=1, once scripts/cluster up has started one: make e2e")
	}
	text, err := os.ReadFile(cluster.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return &site{T: t, namespace: cluster.Namespace(t), kubeconfig: string(text), older: map[int64]released{}, ahead: new(atomic.Int64)}
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// until waits for what the cluster does meanwhile: a call of kubectl that says the word.
func (s *site) until(word string, args ...string) {
	for s.Context().Err() == nil {
		if got, err := cluster.TryKubectl(s.T, "", append([]string{"-n", s.namespace}, args...)...); err == nil && strings.Contains(got, word) {
			return
		}
	}
}

// timeIsUp lets the time of a rollout be over once the cluster says a word, so that no slow machine decides what is seen.
func (s *site) timeIsUp(word string, args ...string) {
	go func() {
		s.until(word, args...)
		s.ahead.Store(int64(time.Hour))
	}()
}

// deployment of a test: what the commit holds and what the stage is told.
type attempt struct {
	files    map[string]string
	settings string // further keys of `with`
	images   map[string]string
	action   pipeline.Action
	restores *released
	attempt  int
	steps    pipeline.Steps
	sha      string
}

func (s *site) task(a attempt, phase pipeline.Phase) pipeline.Task {
	with := fmt.Sprintf(`{"namespace": %q, "timeout": "4m"%s}`, s.namespace, a.settings)
	task := pipeline.Task{
		Stage: pipeline.StageSpec{
			Key: "deploy (test)", ID: "deploy", Uses: "kubernetes", Environment: "test", With: []byte(with), Steps: a.steps,
			Secrets: []string{"KUBECONFIG", "PASSWORD"},
		},
		Trigger: pipeline.Trigger{
			Repository: pipeline.Repository{ID: 7, Owner: "acme", Name: "shop"}, SHA: a.sha + strings.Repeat("0", 40-len(a.sha)), Title: "A better shop",
		},
		RunNumber: s.run, Attempt: max(a.attempt, 1), Phase: phase, Action: a.action, Images: a.images, Current: s.current,
		Environment: &pipeline.EnvironmentDefinition{Name: "test", Cluster: &pipeline.ClusterDefinition{Kubeconfig: "KUBECONFIG"}},
	}
	if task.Stage.Steps == "" {
		task.Stage.Steps = pipeline.PrepareThenApply
	}
	if a.restores != nil {
		task.Restores = &a.restores.Release
	}
	return task
}

func (s *site) session(task pipeline.Task, a attempt, kept map[string][]byte) *stagetest.Session {
	secrets := map[string]string{"KUBECONFIG": s.kubeconfig}
	maps.Copy(secrets, s.secrets)
	return stagetest.New(s.T, stagetest.Options{Task: task, Files: a.files, Secrets: secrets, Kept: kept})
}

// prepare runs the first step.
func (s *site) prepare(a attempt) (*stagetest.Session, pipeline.Verdict) {
	s.Helper()
	s.run++
	kept := map[string][]byte{}
	if a.restores != nil {
		kept = a.restores.files
	}
	session := s.session(s.task(a, pipeline.PhasePrepare), a, kept)
	verdict, err := New(Options{Now: s.now, Smoke: smoke.New(smoke.Options{Now: time.Now})}).Run(s.Context(), session)
	if err != nil {
		s.Fatalf("prepare: %v\n%s", err, session.LogText())
	}
	return session, verdict
}

// apply runs the second step on what the first kept.
func (s *site) apply(ctx context.Context, a attempt, prepared *stagetest.Session) (*stagetest.Session, pipeline.Verdict, error) {
	s.Helper()
	task := s.task(a, pipeline.PhaseApply)
	task.Parts = prepared.Recorded.Parts
	kept := map[string][]byte{}
	maps.Copy(kept, prepared.Recorded.Private)
	for name, content := range s.files {
		kept[pipeline.CurrentFiles+name] = content
	}
	session := s.session(task, a, kept)
	verdict, err := New(Options{Now: s.now, Smoke: smoke.New(smoke.Options{Now: time.Now})}).Run(ctx, session)
	return session, verdict, err
}

// deploy runs both steps and records the release of a success.
func (s *site) deploy(a attempt) (prepared, done *stagetest.Session, verdict pipeline.Verdict) {
	s.Helper()
	prepared, verdict = s.prepare(a)
	if verdict.Status != pipeline.StatusSuccess {
		s.Fatalf("prepare: %+v\n%s", verdict, prepared.LogText())
	}
	done, verdict, err := s.apply(s.Context(), a, prepared)
	if err != nil {
		s.Fatalf("apply: %v\n%s", err, done.LogText())
	}
	if verdict.Status == pipeline.StatusSuccess {
		s.release(a, prepared)
	}
	return prepared, done, verdict
}

func (s *site) release(a attempt, prepared *stagetest.Session) {
	number := int64(1)
	if s.current != nil {
		number = s.current.Number + 1
	}
	files := prepared.Recorded.Private
	r := released{files: files, Release: pipeline.Release{
		RepositoryID: 7, Environment: "test", Number: number, Commit: a.sha + strings.Repeat("0", 40-len(a.sha)), Parts: prepared.Recorded.Parts,
	}}
	s.older[number], s.current, s.files = r, &r.Release, files
}

func (s *site) kubectl(args ...string) string {
	s.Helper()
	return strings.TrimSpace(cluster.Kubectl(s.T, "", append([]string{"-n", s.namespace}, args...)...))
}

func (s *site) succeeded(v pipeline.Verdict, session *stagetest.Session) {
	s.Helper()
	if v.Status != pipeline.StatusSuccess {
		s.Fatalf("%+v\n%s", v, session.LogText())
	}
}

func (s *site) failed(v pipeline.Verdict, session *stagetest.Session, words ...string) {
	s.Helper()
	if v.Status != pipeline.StatusFailure {
		s.Fatalf("%+v\n%s", v, session.LogText())
	}
	for _, word := range words {
		if !strings.Contains(v.Title+"\n"+v.Cause, word) {
			s.Errorf("%q is not in the verdict: %+v", word, v)
		}
	}
	s.Logf("%s\n%s", v.Title, v.Cause)
}

const busybox = "docker.io/library/busybox:1"

// web is an application that answers with a word, and what it needs.
func web(command, more string) map[string]string {
	return map[string]string{
		"k8s/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  progressDeadlineSeconds: 600
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: shop
          command: [sh, -c, '` + command + `']
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: credentials}}]
          ports: [{containerPort: 8080}]
          readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
          resources: {requests: {cpu: 1m, memory: 8Mi}, limits: {memory: 64Mi}}
`,
		"k8s/settings.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {MODE: a}\n",
		"k8s/secret.yaml":   "apiVersion: v1\nkind: Secret\nmetadata: {name: credentials}\nstringData: {PASSWORD: $(PASSWORD)}\n",
		"k8s/more.yaml":     more,
	}
}

const (
	works    = "touch /tmp/ready; exec sleep 3600"
	imageSet = `, "images": {"shop": "build"}`
)

func standard() attempt {
	return attempt{files: web(works, "# nothing\n"), settings: imageSet, images: map[string]string{"build": busybox}, action: pipeline.ActionDeploy, sha: "a1"}
}

func TestDeployToACluster(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	prepared, done, verdict := s.deploy(standard())
	s.succeeded(verdict, done)
	t.Log(verdict.Title, prepared.Recorded.Steps, done.Recorded.Steps)
	if got := prepared.Recorded.Parts[0]; got.Kind != pipeline.PartManifests || got.Name != "deploy (test)" || got.Detail != "3 to create, 0 to change, 0 unchanged" {
		t.Errorf("%+v", got)
	}
	if got := s.kubectl("get", "secret", "credentials", "-o", "jsonpath={.data.PASSWORD}"); got != "Y29ycmVjdCBob3JzZQ==" {
		t.Errorf("the secret holds %q", got)
	}
	for name, content := range prepared.Recorded.Private {
		if strings.Contains(string(content), "correct horse") {
			t.Errorf("%s holds the secret", name)
		}
	}
	got := s.kubectl("get", "deployment", "web", "-o", `jsonpath={.metadata.labels.slipwayhq\.github\.io/run} {.metadata.labels.slipwayhq\.github\.io/release} {.metadata.annotations.kubernetes\.io/change-cause} {.spec.template.spec.containers[0].image}`)
	if got != "1 1 acme/shop@a10000000000, run 1 of Slipway: A better shop "+busybox {
		t.Error(got)
	}
	if done.Recorded.Outputs["kubernetes-namespace"] != s.namespace {
		t.Error(done.Recorded.Outputs)
	}
	before := s.kubectl("get", "pods", "-l", "app=web", "-o", "name")

	// The same again changes nothing, and no pod.
	prepared, done, verdict = s.deploy(standard())
	s.succeeded(verdict, done)
	if got := prepared.Recorded.Parts[0].Detail; got != "0 to create, 0 to change, 3 unchanged" {
		section, _ := prepared.SectionTitled("Changes by field")
		t.Errorf("%s\n%s", got, section.Code)
	}
	if after := s.kubectl("get", "pods", "-l", "app=web", "-o", "name"); after != before {
		t.Errorf("pods were %s and are %s", before, after)
	}

	// Only the configuration changes: its readers are made anew.
	a := standard()
	a.files["k8s/settings.yaml"] = strings.ReplaceAll(a.files["k8s/settings.yaml"], "MODE: a", "MODE: b")
	prepared, done, verdict = s.deploy(a)
	s.succeeded(verdict, done)
	section, _ := prepared.SectionTitled("Changes by field")
	if !strings.Contains(section.Code, "~ data.MODE: a → b") || !strings.Contains(section.Code, "its configuration changed") {
		t.Error(section.Code)
	}
	between := s.kubectl("get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "name")
	if between == before {
		t.Error("the pods stayed")
	}
	// And only a secret's value.
	s.secrets = map[string]string{"PASSWORD": "battery staple"}
	prepared, done, verdict = s.deploy(a)
	s.succeeded(verdict, done)
	section, _ = prepared.SectionTitled("Changes by field")
	if !strings.Contains(section.Code, "data.PASSWORD: *** (13 bytes) → *** (14 bytes)") || !strings.Contains(section.Code, "its configuration changed") {
		t.Error(section.Code)
	}
	if s.kubectl("get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "name") == between {
		t.Error("the pods stayed")
	}
}

func TestPullRequestChangesNothing(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	a := standard()
	a.steps, a.images = pipeline.PrepareOnly, nil
	session, verdict := s.prepare(a)
	s.succeeded(verdict, session)
	if verdict.Title != "3 to create, 0 to change, 0 unchanged" {
		t.Error(verdict.Title)
	}
	if got := s.kubectl("get", "deployments,configmaps,secrets", "-o", "name"); strings.Contains(got, "web") || strings.Contains(got, "slipway") {
		t.Errorf("there is %s", got)
	}
	// A cluster that is not there is a remark, not a failure.
	s.kubeconfig = strings.ReplaceAll(plainKubeconfig(t), "server: https://", "server: https://127.0.0.1:1/")
	session, verdict = s.prepare(a)
	if verdict.Status != pipeline.StatusNeutral || len(session.Recorded.Artifacts) == 0 {
		t.Errorf("%+v", verdict)
	}
	t.Log(verdict.Title, verdict.Cause)
	a.steps, a.images = "", standard().images
	session, verdict = s.prepare(a)
	s.failed(verdict, session, "The cluster cannot be reached")
}

func TestRefusedBeforeAnythingIsApplied(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	for name, c := range map[string]struct {
		change func(*attempt)
		words  []string
	}{
		"unknown kind": {func(a *attempt) {
			a.files["k8s/more.yaml"] = "apiVersion: acme.example/v1\nkind: Thing\nmetadata: {name: x}\n"
		},
			[]string{"The cluster refuses 1 object", "k8s/more.yaml:1", "knows no kind Thing of acme.example/v1"}},
		"no valid field": {func(a *attempt) {
			a.files["k8s/more.yaml"] = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 99999}]}\n"
		},
			[]string{"The cluster refuses 1 object", "spec.ports[0].port"}},
		"another namespace": {func(a *attempt) {
			a.files["k8s/more.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: default}\n"
		},
			[]string{"1 problem in the manifests", "is for the namespace default"}},
		"no such image": {func(a *attempt) { a.settings = `, "images": {"shopp": "build"}` }, []string{"no container of the manifests uses it"}},
		"unset secret": {func(a *attempt) {
			a.files["k8s/secret.yaml"] = strings.ReplaceAll(a.files["k8s/secret.yaml"], "$(PASSWORD)", "$(TOKEN)")
		}, []string{"does not name TOKEN"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := standard()
			c.change(&a)
			inner := *s
			inner.T = t
			session, verdict := inner.prepare(a)
			inner.failed(verdict, session, c.words...)
			if len(session.Recorded.Findings) == 0 {
				t.Error("no finding")
			}
		})
	}
	if got := s.kubectl("get", "deployments,configmaps,secrets", "-o", "name"); strings.Contains(got, "web") || strings.Contains(got, "slipway") {
		t.Errorf("there is %s", got)
	}
}

func TestCredentialsThatAreNotAccepted(t *testing.T) {
	s := newSite(t)
	s.kubeconfig = withToken(plainKubeconfig(t), "not-the-token")
	session, verdict := s.prepare(standard())
	s.failed(verdict, session, "error: You must be logged in to the server")

	// A user who may read and nothing else.
	cluster.Kubectl(t, "", "-n", s.namespace, "create", "serviceaccount", "reader")
	cluster.Kubectl(t, "", "-n", s.namespace, "create", "rolebinding", "reader", "--clusterrole=view", "--serviceaccount="+s.namespace+":reader")
	s.kubeconfig = withToken(s.kubeconfig, strings.TrimSpace(cluster.Kubectl(t, "", "-n", s.namespace, "create", "token", "reader")))
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	session, verdict = s.prepare(standard())
	s.failed(verdict, session, "The credentials lack", "may not", "Nothing was applied")
	section, found := session.SectionTitled("Missing permissions")
	if !found || !strings.Contains(section.Code, "resources: [deployments]") {
		t.Errorf("%+v", section)
	}
}

// plainKubeconfig is the cluster's as kubectl writes it.
func plainKubeconfig(t *testing.T) string {
	t.Helper()
	return cluster.Kubectl(t, "", "config", "view", "--raw", "--flatten", "--minify", "-o", "yaml")
}

// withToken replaces the user of a kubeconfig.
func withToken(kubeconfig, token string) string {
	head, _, _ := strings.Cut(kubeconfig, "\nusers:\n")
	_, name, _ := strings.Cut(kubeconfig, "\n    user: ")
	name, _, _ = strings.Cut(name, "\n")
	return head + "\nusers:\n- name: " + name + "\n  user:\n    token: " + token + "\n"
}
