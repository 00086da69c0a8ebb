package kubernetes

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func TestCanaryPods(t *testing.T) {
	for _, c := range []struct{ replicas, percent, want int64 }{
		{1, 1, 1}, {1, 50, 1}, {1, 90, 9}, {3, 25, 1}, {4, 20, 1}, {4, 50, 4}, {10, 10, 2}, {10, 9, 1}, {100, 33, 50},
	} {
		got := canaryPods(c.replicas, c.percent)
		if got != c.want {
			t.Errorf("%d pods, %d %%: %d, want %d", c.replicas, c.percent, got, c.want)
		}
		if 100*got < c.percent*(got+c.replicas) {
			t.Errorf("%d of %d pods are less than %d %%", got, got+c.replicas, c.percent)
		}
	}
}

func TestCanaryOf(t *testing.T) {
	object := func(name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name},
			"spec": map[string]any{
				"paused": true, "replicas": int64(7), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}},
			},
		}}
	}
	made, err := canaryOf(object("web"), 2)
	if err != nil {
		t.Fatal(err)
	}
	if made.GetName() != "web-canary" || made.GetLabels()[trackLabel] != canary {
		t.Errorf("%+v", made.Object)
	}
	for _, path := range []string{"spec/selector/matchLabels", "spec/template/metadata/labels"} {
		labels := nested(made.Object, strings.Split(path, "/")...)
		if labels["app"] != "web" || labels[trackLabel] != canary {
			t.Errorf("%s: %v", path, labels)
		}
	}
	if spec := nested(made.Object, "spec"); spec["replicas"] != int64(2) || spec["paused"] != nil {
		t.Errorf("%v", spec)
	}
	if _, err := canaryOf(object(strings.Repeat("w", 60)), 2); err == nil || !strings.Contains(err.Error(), "has no room") {
		t.Errorf("%v", err)
	}
}

// asked is a smoke stage with an end of its own.
type asked pipeline.Verdict

func (a asked) Run(context.Context, runner.Session) (pipeline.Verdict, error) {
	return pipeline.Verdict(a), nil
}

// TestCanaryThatCouldNotBeAsked says nothing of what is new: the deploy is tried again.
func TestCanaryThatCouldNotBeAsked(t *testing.T) {
	for _, away := range []bool{false, true} {
		d := &deploy{s: stagetest.New(t, stagetest.Options{}), smoke: asked{Status: pipeline.StatusFailure, Title: "x", Cause: "y.", Infrastructure: away}}
		d.settings.Canary = Canary{Smoke: map[string]any{"url": "https://shop.example"}}
		err := (&trial{rollout: &rollout{deploy: d}}).ask(t.Context(), "Canary at 25 %")
		failed, is := errors.AsType[*failedError](err)
		if !is || failed.verdict.Infrastructure != away || failed.verdict.Title != "Canary at 25 % failed: x" {
			t.Errorf("%+v", err)
		}
	}
}

// TestCanariesThatWereLeftBehind go with the next rollout, whatever its strategy and its objects are; nobody else's do.
func TestCanariesThatWereLeftBehind(t *testing.T) {
	of := func(kind, name, track, inventory string) *unstructured.Unstructured {
		group := map[string]string{"Service": "v1", "Deployment": "apps/v1"}[kind]
		return told(t, "apiVersion: "+group+"\nkind: "+kind+"\nmetadata: {name: "+name+", namespace: shop, labels: {"+trackLabel+": "+track+", "+inventoryLabel+": "+inventory+"}}\n")
	}
	for _, mayList := range []bool{true, false} {
		w, fake := fakeWorld(of("Deployment", "web-canary", canary, "ours"), of("Service", "web-canary", canary, "ours"),
			of("Deployment", "theirs-canary", canary, "theirs"), of("Deployment", "web", "stable", "ours"))
		if !mayList {
			fake.PrependReactor("list", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, apierrors.NewForbidden(schema.GroupResource{}, "", nil)
			})
		}
		d := &deploy{s: stagetest.New(t, stagetest.Options{}), world: w, now: time.Now, namespace: "shop", marks: marks{labels: map[string]string{inventoryLabel: "ours"}}}
		d.settings.Timeout = duration(time.Minute)
		objects := []*object{{Unstructured: of("Deployment", "web", "", "")}, {Unstructured: of("Service", "web", "", "")}}
		if mayList {
			objects = nil // the labels tell
		}
		if err := (&rollout{deploy: d, objects: objects}).sweepCanaries(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, there := range map[string]bool{"web-canary": false, "theirs-canary": true, "web": true} {
			for _, kind := range []string{"Deployment", "Service"} {
				live, err := w.live(t.Context(), of(kind, name, "", ""))
				if err != nil || (live != nil) != (there && kind == "Deployment") {
					t.Errorf("may list: %t: %s %s: %v, %v", mayList, kind, name, live, err)
				}
			}
		}
	}
}

func TestRightsOfACanary(t *testing.T) {
	w, _ := fakeWorld()
	objects := []*object{{Unstructured: told(t, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n")}}
	for strategy, want := range map[string]bool{"": false, canary: true} {
		rights, err := w.rightsFor(objects, "shop", Settings{Strategy: strategy, Canary: Canary{Smoke: map[string]any{"service": "web"}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []right{{"apps", "deployments", "shop", "delete"}, {"", "services", "shop", "delete"}} {
			if slices.Contains(rights, r) != want {
				t.Errorf("%q: %s: %v", strategy, r, rights)
			}
		}
	}
}

// What is new is tried on pods of its own: what answers wrong, or does not come up, changes nothing that runs.
func TestCanary(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	version := func(word, does string) attempt {
		a := standard()
		a.sha = "c" + word[:1]
		a.files = web(`mkdir /www; echo `+word+` > /www/word; touch /tmp/ready; `+does, "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}\n")
		a.settings += `, "strategy": "canary", "canary": {"steps": [25, 60], "smoke": {"service": "web", "attempts": 20, "interval": "200ms",
			"checks": [{"method": "GET", "path": "/word", "contains": ["` + word + `"]}]}}`
		return a
	}
	const serves = "exec httpd -f -p 8080 -h /www"
	runs := func(word string) {
		t.Helper()
		if got := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].command[2]} {.status.availableReplicas}"); !strings.Contains(got, "echo "+word) || !strings.HasSuffix(got, " 1") {
			t.Errorf("%s, want %s", got, word)
		}
		if got := s.kubectl("get", "deployments,services", "-o", "name"); got != "deployment.apps/web\nservice/web" {
			t.Errorf("left are %q", got)
		}
	}
	_, done, verdict := s.deploy(version("alpha", serves))
	s.succeeded(verdict, done)
	if _, found := done.SectionTitled("Canary at 25 %: Requests"); found {
		t.Error("the first deploy had a canary")
	}
	runs("alpha")
	_, done, verdict = s.deploy(version("beta", serves))
	s.succeeded(verdict, done)
	for _, title := range []string{"Canary at 25 %: Requests", "Canary at 60 %: Requests"} {
		section, found := done.SectionTitled(title)
		if !found || !strings.Contains(section.Text, "service web-canary") {
			t.Errorf("%s: %+v", title, section)
		}
	}
	runs("beta")
	wrong := version("gamma", serves)
	wrong.files["k8s/web.yaml"] = strings.ReplaceAll(wrong.files["k8s/web.yaml"], "echo gamma", "echo rubbish")
	_, done, verdict = s.deploy(wrong)
	s.failed(verdict, done, "Canary at 25 % failed: Health check failed after 20 attempts", "what ran before was not changed")
	runs("beta")
	_, done, verdict = s.deploy(version("delta", "exit 3"))
	s.failed(verdict, done, "Deployment web-canary is not ready: CrashLoopBackOff")
	runs("beta")
	// What an attempt that was killed has left goes with the next deploy, though that tries nothing out.
	s.kubectl("create", "deployment", "gone-canary", "--image="+busybox, "--replicas=0")
	s.kubectl("label", "deployment", "gone-canary", trackLabel+"="+canary,
		inventoryLabel+"="+s.kubectl("get", "deployment", "web", "-o", `jsonpath={.metadata.labels.slipwayhq\.github\.io/inventory}`))
	plain := version("epsilon", serves)
	plain.settings = strings.Replace(plain.settings, `, "strategy": "canary"`, "", 1)
	_, done, verdict = s.deploy(plain)
	s.succeeded(verdict, done)
	runs("epsilon")
}
