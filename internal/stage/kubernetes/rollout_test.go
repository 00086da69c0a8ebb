package kubernetes

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
	"github.com/slipwayhq/slipway/test/cluster"
)

func (s *site) code(session *stagetest.Session, prefix string) string {
	s.Helper()
	for _, section := range session.Recorded.Sections {
		if strings.HasPrefix(section.Title, prefix) {
			return section.Code
		}
	}
	s.Errorf("no section %s", prefix)
	return ""
}

func TestFailedRolloutsSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site, *attempt)
		words  []string
		check  func(*site, *stagetest.Session)
	}{
		"an image that is not there": {
			func(_ *site, a *attempt) { a.images = map[string]string{"build": "docker.io/acme/nothing:here"} },
			[]string{"Deployment web is not ready: ImagePullBackOff", "docker.io/acme/nothing:here cannot be pulled", "not found"}, nil,
		},
		"a container that crashes": {
			func(_ *site, a *attempt) {
				a.files = web(`echo starting; echo cannot find the database >&2; exit 3`, "# nothing\n")
			},
			[]string{"Deployment web is not ready: CrashLoopBackOff", "exited with 3"},
			func(s *site, session *stagetest.Session) {
				if text := s.code(session, "Last lines of web"); !strings.Contains(text, "cannot find the database") {
					s.Error(text)
				}
				if len(session.Recorded.Artifacts["events.txt"]) == 0 {
					s.Error("no events are kept")
				}
			},
		},
		"a probe that fails": {
			func(s *site, a *attempt) {
				a.files = web(`exec sleep 3600`, "# nothing\n")
				s.timeIsUp("Unhealthy", "get", "events")
			},
			[]string{"Deployment web is not ready: ProbeFailed", "within 1h 0m", "Readiness probe failed"}, nil,
		},
		"a pod that no node takes": {
			func(s *site, a *attempt) {
				a.files["k8s/web.yaml"] = strings.ReplaceAll(a.files["k8s/web.yaml"], "cpu: 1m", "cpu: 900")
				s.timeIsUp("Insufficient cpu", "get", "pods", "-o", "jsonpath={.items[*].status.conditions[*].message}")
			},
			[]string{"Deployment web is not ready: Unschedulable", "Insufficient cpu"}, nil,
		},
		"a quota that is full": {
			func(s *site, _ *attempt) { s.kubectl("create", "quota", "none", "--hard=pods=0") },
			[]string{"Deployment web is not ready: QuotaExceeded", "exceeded quota: none"}, nil,
		},
		"a Job that fails": {
			func(_ *site, a *attempt) {
				a.files["k8s/more.yaml"] = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  backoffLimit: 0\n  template: {spec: {restartPolicy: Never, containers: [{name: m, image: shop, command: [sh, -c, \"echo no such table; exit 4\"]}]}}\n"
			},
			[]string{"Job migrate", "exited with 4"},
			func(s *site, session *stagetest.Session) {
				if text := s.code(session, "Last lines of m"); !strings.Contains(text, "no such table") {
					s.Error(text)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.secrets = map[string]string{"PASSWORD": "correct horse"}
			a := standard()
			c.change(s, &a)
			_, done, verdict := s.deploy(a)
			s.failed(verdict, done, append(c.words, "objects had been applied")...)
			if c.check != nil {
				c.check(s, done)
			}
		})
	}
}

// TestRetryOnceTheCauseIsGone: what is wrong outside of the commit is repaired, and the same is applied again. The pods of
// before are still there, and what they went through does not count.
func TestRetryOnceTheCauseIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site, *attempt)
		fails  string
		repair []string
	}{
		"a quota": {
			func(s *site, _ *attempt) { s.kubectl("create", "quota", "none", "--hard=pods=0") },
			"QuotaExceeded", []string{"delete", "quota", "none"},
		},
		"what a container needs": {
			func(_ *site, a *attempt) {
				a.files["k8s/web.yaml"] = strings.Replace(a.files["k8s/web.yaml"], works, "test -n \"$SWITCH\" || exit 3; "+works, 1)
				a.files["k8s/web.yaml"] = strings.Replace(a.files["k8s/web.yaml"], "          envFrom:", "          env: [{name: SWITCH, valueFrom: {configMapKeyRef: {name: switch, key: a, optional: true}}}]\n          envFrom:", 1)
			},
			"CrashLoopBackOff", []string{"create", "configmap", "switch", "--from-literal=a=b"},
		},
		"what a Job needs": {
			func(_ *site, a *attempt) {
				a.files["k8s/more.yaml"] = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  backoffLimit: 0\n  template: {spec: {restartPolicy: Never, containers: [{name: m, image: shop, command: [sh, -c, 'test -n \"$SWITCH\"'], env: [{name: SWITCH, valueFrom: {configMapKeyRef: {name: switch, key: a, optional: true}}}]}]}}\n"
			},
			"Job migrate", []string{"create", "configmap", "switch", "--from-literal=a=b"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.secrets = map[string]string{"PASSWORD": "correct horse"}
			a := standard()
			c.change(s, &a)
			prepared, done, verdict := s.deploy(a)
			s.failed(verdict, done, c.fails)
			s.kubectl(c.repair...)
			a.attempt = 2
			done, verdict, err := s.apply(t.Context(), a, prepared)
			if err != nil {
				t.Fatal(err)
			}
			s.succeeded(verdict, done)
		})
	}
}

func TestPruneAndRollback(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	prune := func(a attempt) attempt {
		a.settings += `, "prune": true`
		return a
	}
	first := prune(standard())
	first.files["k8s/more.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-first}\ndata: {A: correct horse}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: committed}\nstringData: {A: from the commit}\n"
	prepared, done, verdict := s.deploy(first)
	s.succeeded(verdict, done)
	// People see neither what was committed nor what is secret; the release has both.
	if text := string(prepared.Recorded.Artifacts["manifests.yaml"]); strings.Contains(text, "from the commit") || strings.Contains(text, "correct horse") || !strings.Contains(text, "$(PASSWORD)") {
		t.Error(text)
	}
	if text := string(s.files["release/deploy (test).manifests.yaml"]); !strings.Contains(text, "from the commit") || !strings.Contains(text, "correct horse") || !strings.Contains(text, "$(PASSWORD)") {
		t.Error(text)
	}

	second := prune(standard())
	second.sha = "b2"
	second.files["k8s/web.yaml"] = strings.ReplaceAll(second.files["k8s/web.yaml"], "replicas: 1", "replicas: 2")
	second.files["k8s/more.yaml"] = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-second}\ndata: {A: a}\n"
	s.kubectl("label", "configmap", "only-first", "slipwayhq.github.io/inventory-") // somebody made it theirs
	prepared, done, verdict = s.deploy(second)
	s.succeeded(verdict, done)
	section, _ := prepared.SectionTitled("Removed, replaced, refused")
	if section.Table == nil || section.Table.Rows[0][0] != "Secret committed" || section.Table.Rows[0][1] != "deleted" {
		t.Errorf("%+v", section)
	}
	if got := s.kubectl("get", "configmaps,secrets", "-o", "name"); strings.Contains(got, "secret/committed") || !strings.Contains(got, "only-first") || !strings.Contains(got, "only-second") {
		t.Error(got)
	}

	// Somebody changes something by hand: a deploy leaves it and says whose it is, a rollback shows it and takes it.
	s.kubectl("set", "env", "deployment/web", "BY_HAND=1")
	s.kubectl("scale", "deployment/web", "--replicas=3")
	session, verdict := s.prepare(second)
	s.failed(verdict, session, "1 field managed by somebody else", "spec.replicas is managed by kubectl", "conflicts: take")

	back := s.older[1]
	a := first
	a.restores, a.action, a.images, a.sha = &back, pipeline.ActionRollback, nil, "a1"
	prepared, done, verdict = s.deploy(a)
	s.succeeded(verdict, done)
	if !strings.HasPrefix(verdict.Title, "Release 1 runs again") {
		t.Error(verdict.Title)
	}
	if section, found := prepared.SectionTitled("Fields that somebody else manages"); !found || section.Table.Rows[0][1] != "spec.replicas" {
		t.Errorf("%+v", section)
	}
	if section, _ := prepared.SectionTitled("Changes by field"); !strings.Contains(section.Code, "- spec.template.spec.containers[web].env[BY_HAND].value: 1") {
		t.Error(section.Code)
	}
	if got := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].env}"); strings.Contains(got, "BY_HAND") {
		t.Errorf("what was added by hand is still there: %s", got)
	}
	if prepared.Recorded.Parts[0].Value != back.Parts[0].Value {
		t.Error("what is brought back is not what was released")
	}
	if got := s.kubectl("get", "configmaps,secrets", "-o", "name"); !strings.Contains(got, "secret/committed") || strings.Contains(got, "only-second") {
		t.Error(got)
	}
	if got := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"); got != "1" {
		t.Errorf("%s replicas", got)
	}
	if got := s.kubectl("get", "secret", "committed", "-o", "jsonpath={.data.A}"); got != "ZnJvbSB0aGUgY29tbWl0" {
		t.Error(got)
	}

	// A record that was touched is not applied.
	back.files = map[string][]byte{"release/deploy (test).manifests.yaml": []byte(strings.ReplaceAll(string(back.files["release/deploy (test).manifests.yaml"]), "MODE: a", "MODE: z"))}
	a.restores = &back
	session, verdict = s.prepare(a)
	s.failed(verdict, session, "The release cannot be brought back")
}

func TestRollbackOnFailure(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	_, done, verdict := s.deploy(standard())
	s.succeeded(verdict, done)
	bad := standard()
	bad.sha, bad.settings = "b2", bad.settings+`, "rollback-on-failure": true`
	bad.images = map[string]string{"build": "docker.io/acme/nothing:here"}
	_, done, verdict = s.deploy(bad)
	s.failed(verdict, done, "ROLLED BACK to release 1", "ImagePullBackOff", "was rolled back to release 1")
	if got := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.availableReplicas}"); got != busybox+" 1" {
		t.Error(got)
	}
	s.current, s.files = nil, nil
	_, done, verdict = s.deploy(bad)
	s.failed(verdict, done, "NOT rolled back", "no earlier release")
}

// What smoke tests found wrong is taken back by an attempt of its own.
func TestRollbackAfterwards(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	restore := func(a attempt) (*stagetest.Session, pipeline.Verdict) {
		task := s.task(a, pipeline.PhaseRestore)
		task.Attempt, task.Because = 2, "smoke-tests (test) failed"
		kept := map[string][]byte{}
		for name, content := range s.files {
			kept[pipeline.CurrentFiles+name] = content
		}
		session := s.session(task, a, kept)
		verdict, err := New(Options{Now: s.now}).Run(t.Context(), session)
		if err != nil {
			t.Fatalf("%v\n%s", err, session.LogText())
		}
		return session, verdict
	}
	good := standard()
	good.settings += `, "prune": true`
	session, verdict := restore(good)
	s.failed(verdict, session, "NOT rolled back: smoke-tests (test) failed", "no earlier release")
	_, done, verdict := s.deploy(good)
	s.succeeded(verdict, done)
	bad := good
	bad.sha, bad.files = "b2", web("touch /tmp/ready; exec sleep 3601", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-second}\ndata: {A: a}\n")
	prepared, verdict := s.prepare(bad)
	s.succeeded(verdict, prepared)
	done, verdict, err := s.apply(t.Context(), bad, prepared)
	if err != nil {
		t.Fatal(err)
	}
	s.succeeded(verdict, done)
	session, verdict = restore(bad)
	s.failed(verdict, session, "ROLLED BACK to release 1: smoke-tests (test) failed", "The rollout itself had succeeded", "was rolled back to release 1")
	if got := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].command[2]} {.status.availableReplicas}"); !strings.Contains(got, "3600") || !strings.HasSuffix(got, " 1") {
		t.Error(got)
	}
	if got := s.kubectl("get", "configmaps", "-o", "name"); strings.Contains(got, "only-second") {
		t.Error(got)
	}
	if section, found := session.SectionTitled("Applied"); !found || section.Table == nil {
		t.Errorf("%+v", section)
	}
}

func TestJobsAreMadeAnew(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	job := func(word string) attempt {
		a := standard()
		a.files["k8s/more.yaml"] = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec:\n  template: {spec: {restartPolicy: Never, containers: [{name: m, image: shop, command: [echo, " + word + "]}]}}\n"
		return a
	}
	_, done, verdict := s.deploy(job("one"))
	s.succeeded(verdict, done)
	prepared, done, verdict := s.deploy(job("two"))
	s.succeeded(verdict, done)
	if section, found := prepared.SectionTitled("Removed, replaced, refused"); !found || section.Table.Rows[0][1] != "deleted and made anew" {
		t.Errorf("%+v", section)
	}
	if got := s.kubectl("logs", "job/migrate"); got != "two" {
		t.Error(got)
	}
	// What may not be replaced is refused, and the field is named.
	a := job("two")
	a.files["k8s/web.yaml"] = strings.ReplaceAll(a.files["k8s/web.yaml"], "app: web", "app: web2")
	session, verdict := s.prepare(a)
	s.failed(verdict, session, "The cluster refuses 1 object", "field is immutable")
}

// TestInterruptedRolloutGoesOn: cut off in the middle, tried again, and found where it was.
func TestInterruptedRolloutGoesOn(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	slow := standard()
	slow.files = web("sleep 6; touch /tmp/ready; exec sleep 3600", "# nothing\n")
	prepared, verdict := s.prepare(slow)
	s.succeeded(verdict, prepared)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		s.until("web", "get", "deployment", "web")
		cancel(errors.New("somebody said stop"))
	}()
	session, verdict, err := s.apply(ctx, slow, prepared)
	if err != nil {
		t.Fatal(err)
	}
	if verdict.Status.Passed() || !strings.Contains(verdict.Cause, "3 of 3 objects had been applied") {
		t.Errorf("%+v\n%s", verdict, session.LogText())
	}
	slow.attempt = 2
	session, verdict, err = s.apply(t.Context(), slow, prepared)
	if err != nil {
		t.Fatal(err)
	}
	s.succeeded(verdict, session)
	if section, found := session.SectionTitled("Found on the way in"); !found || !strings.Contains(section.Text, "3 of 3 objects are applied") {
		t.Errorf("%+v", section)
	}
}

// TestDeploysTakeTurns: two deploys of one stage at once, each whole, the second after the first.
func TestDeploysTakeTurns(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	one := standard()
	one.files = web("sleep 4; touch /tmp/ready; exec sleep 3600", "# nothing\n")
	prepared, verdict := s.prepare(one)
	s.succeeded(verdict, prepared)
	other := *s
	other.run += 10
	two := standard()
	two.files = web("touch /tmp/ready; exec sleep 3601", "# nothing\n")
	again, verdict := other.prepare(two)
	s.succeeded(verdict, again)
	var group sync.WaitGroup
	var waited bool
	for _, d := range []struct {
		site     *site
		attempt  attempt
		prepared *stagetest.Session
	}{{s, one, prepared}, {&other, two, again}} {
		group.Go(func() {
			session, verdict, err := d.site.apply(t.Context(), d.attempt, d.prepared)
			if err != nil || verdict.Status != pipeline.StatusSuccess {
				t.Errorf("%+v, %v\n%s", verdict, err, session.LogText())
			}
			waited = waited || strings.Contains(strings.Join(session.Recorded.Progress, "\n"), "which deploys here")
		})
		s.until("web", "get", "deployment", "web") // the first comes first
	}
	group.Wait()
	if !waited {
		t.Error("nobody waited")
	}
	if got := s.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.containers[0].command[2]}"); !strings.Contains(got, "3601") {
		t.Error(got)
	}
}

// TestTheServerIsRestartedMeanwhile: the control plane is away for some seconds in the middle of a rollout.
func TestTheServerIsRestartedMeanwhile(t *testing.T) {
	s := newSite(t)
	s.secrets = map[string]string{"PASSWORD": "correct horse"}
	slow := standard()
	slow.files = web("sleep 8; touch /tmp/ready; exec sleep 3600", "# nothing\n")
	prepared, verdict := s.prepare(slow)
	s.succeeded(verdict, prepared)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.until("web", "get", "deployment", "web")
		cluster.Restart(t, "kube-apiserver")
	}()
	session, verdict, err := s.apply(t.Context(), slow, prepared)
	<-done
	if err != nil {
		t.Fatalf("%v\n%s", err, session.LogText())
	}
	s.succeeded(verdict, session)
}
