package diagnosis

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

type knownCase struct {
	log, id string
	verdict pipeline.Verdict
}

// cases name a log of testdata, the verdict that came with it, and the rule. The logs are what the tools printed; those
// of tools for which this was not possible are the texts of the pipeline's troubleshooting page; what AWS's provider prints is
// put together after its source and AWS's lists of error codes.
var cases = []knownCase{
	{log: "pytest-not-found", verdict: pipeline.Verdict{ExitCode: 127}},
	{log: "registry-denied"},
	{log: "aws-credentials-missing"},
	{log: "aws-credentials-missing-provider", id: "aws-credentials-missing"},
	{log: "kubernetes-not-logged-in"},
	{log: "health-check-failed"},
	{log: "python-module-missing", verdict: pipeline.Verdict{ExitCode: 2}},
	{log: "package-not-found"},
	{log: "dependency-conflict"},
	{log: "name-not-resolved"},
	{log: "connection-refused"},
	{log: "coverage-below-minimum", verdict: pipeline.Verdict{ExitCode: 1}},
	{log: "python-syntax-error"},
	{log: "test-collection-failed", verdict: pipeline.Verdict{ExitCode: 2}},
	{log: "pytest-fixture-missing"},
	{log: "no-tests-found", verdict: pipeline.Verdict{ExitCode: 5}},
	{log: "port-in-use"},
	{log: "script-not-executable", verdict: pipeline.Verdict{ExitCode: 126}},
	{log: "windows-line-ends", verdict: pipeline.Verdict{ExitCode: 127}},
	{log: "command-not-found", verdict: pipeline.Verdict{ExitCode: 127}},
	{log: "variable-not-set", verdict: pipeline.Verdict{ExitCode: 1}},
	{log: "out-of-memory-python", id: "out-of-memory"},
	{log: "node-out-of-memory", verdict: pipeline.Verdict{ExitCode: 134}},
	{log: "disk-full"},
	{log: "package-hash-mismatch"},
	{log: "requirement-invalid"},
	{log: "python-build-failed"},
	{log: "python-venv-missing"},
	{log: "commit-gone"},
	{log: "npm-lock-missing"},
	{log: "npm-lock-outdated"},
	{log: "npm-script-missing"},
	{log: "node-module-missing"},
	{log: "go-module-missing"},
	{log: "go-sum-missing"},
	{log: "terraform-state-locked"},
	{log: "docker-daemon-missing"},
	{log: "terraform-plan-moved"},
	{log: "terraform-state-not-saved"},
	{log: "terraform-state-locked-by", id: "terraform-state-locked"},
	{log: "terraform-version-missing"},
	{log: "terraform-missing"},
	{log: "terraform-module-denied"},
	{log: "terraform-module-missing"},
	{log: "terraform-provider-missing"},
	{log: "terraform-lock-file"},
	{log: "terraform-state-bucket-missing"},
	{log: "terraform-state-bucket-denied"},
	{log: "terraform-state-bucket-region"},
	{log: "terraform-lock-table-missing"},
	{log: "aws-role-denied"},
	{log: "aws-permission-passrole"},
	{log: "aws-permission"},
	{log: "aws-permission-encoded"},
	{log: "aws-permission-s3"},
	{log: "aws-credentials-wrong"},
	{log: "aws-credentials-expired"},
	{log: "aws-quota-ec2"},
	{log: "aws-quota-eks"},
	{log: "aws-quota-rds"},
	{log: "aws-quota-s3"},
	{log: "aws-bucket-taken"},
	{log: "aws-quota-iam"},
	{log: "aws-throttled"},
	{log: "aws-dependency"},
	{log: "aws-unreachable"},
	{log: "terraform-backend-unreachable"},
	{log: "terraform-state-bucket-missing-init", id: "terraform-state-bucket-missing"},
	{log: "aws-permission-rds", id: "aws-permission"},
	{log: "", id: "timeout", verdict: pipeline.Verdict{Status: pipeline.StatusTimedOut, Cause: "The stage ran longer than its limit of 30m and was stopped during Run tests."}},
	{log: "", id: "out-of-memory", verdict: pipeline.Verdict{ExitCode: 137}},
	{log: "", id: "out-of-memory", verdict: pipeline.Verdict{Cause: "pytest was killed because memory ran out.", Signal: "killed"}},
	{log: "", id: "python-version-missing", verdict: pipeline.Verdict{Cause: "Python 3.14 (asked for by .python-version) is not installed here; there is Python 3.13.0, 3.12.1."}},
	{log: "", id: "coverage-below-minimum", verdict: pipeline.Verdict{Cause: "Coverage is 76.9 %, below the minimum of 80 %."}},
	{log: "", id: "coverage-not-measured", verdict: pipeline.Verdict{Cause: "coverage-min is 80 %, but coverage was not measured: the requirements do not hold pytest-cov."}},
	{log: "", id: "image-not-pulled", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready: ImagePullBackOff: container web of pod web-76d-x: the image docker.io/acme/nothing:here cannot be pulled: docker.io/acme/nothing:here: not found. 3 of 3 objects had been applied."}},
	{log: "", id: "image-pull-denied", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready: ImagePullBackOff: container web of pod web-76d-x: the image r.example/shop:1 cannot be pulled: pull access denied, repository does not exist or may require authorization."}},
	{log: "", id: "container-crashes", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready: CrashLoopBackOff: container web of pod web-76d-x: it was started 4 times; the last time it exited with 3. 3 of 3 objects had been applied."}},
	{log: "", id: "container-out-of-memory", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready: OOMKilled: container web of pod web-76d-x: it was started 4 times; the last time it was killed because it used more memory than its limit."}},
	{log: "", id: "pod-unschedulable", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready within 5m 0s: Unschedulable: pod web-76d-x: no node takes it: 0/1 nodes are available: 1 Insufficient cpu."}},
	{log: "", id: "probe-failed", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready within 5m 0s: ProbeFailed: container web of pod web-76d-x: Readiness probe failed: HTTP probe failed with statuscode: 503."}},
	{log: "", id: "quota-exceeded", verdict: pipeline.Verdict{Cause: "Deployment web did not become ready: QuotaExceeded: pods \"web-76d-x\" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0."}},
	{log: "", id: "admission-denied", verdict: pipeline.Verdict{Cause: "Deployment web (k8s/web.yaml:1): admission webhook \"policy.acme.example\" denied the request: no team label. Nothing was applied."}},
	{log: "", id: "kubernetes-forbidden", verdict: pipeline.Verdict{Cause: "The credentials of the cluster may not create deployments.apps in shop (and 5 more). Nothing was applied."}},
	{log: "", id: "field-conflict", verdict: pipeline.Verdict{Cause: "Deployment web: spec.replicas is managed by kubectl. Take it out of the manifest, or write `conflicts: take` to make it ours. Nothing was applied."}},
	{log: "", id: "cluster-unreachable", verdict: pipeline.Verdict{Cause: "The cluster could not be asked to tell its version: nothing listens at its address (connection refused)."}},
	{log: "", id: "commit-gone", verdict: pipeline.Verdict{Cause: "commit 12345 is no longer reachable: refs/heads/x was force-pushed or deleted after the run was asked for; push again."}},
	{log: "", id: "no-tests-found", verdict: pipeline.Verdict{Cause: "pytest found no tests. It collects test_*.py and *_test.py; `tests` of the stage says where."}},
	{log: "", id: "registry-login-refused", verdict: pipeline.Verdict{Cause: "Asking whether an image may be pushed to ghcr.io/acme/app: ghcr.io does not accept the user name and password of DOCKER_USERNAME and DOCKER_PASSWORD: unauthorized."}},
	{log: "", id: "registry-repository-missing", verdict: pipeline.Verdict{Cause: "Asking whether an image may be pushed to 123456789012.dkr.ecr.eu-central-1.amazonaws.com/app: 123456789012.dkr.ecr.eu-central-1.amazonaws.com has no repository app, and does not make one by itself."}},
	{log: "", id: "registry-without-tls", verdict: pipeline.Verdict{Cause: "Pushing the image to 10.0.0.5:5000/app: 10.0.0.5:5000 would be spoken to without TLS, which the server's setting SLIPWAY_INSECURE_REGISTRIES does not allow. If it may be: name it there."}},
	{log: "", id: "registry-unreachable", verdict: pipeline.Verdict{Cause: "Asking whether an image may be pushed to registry.internal/app: registry.internal cannot be reached: dial tcp 10.0.0.5:443: connect: connection refused."}},
	{log: "", id: "builder-missing", verdict: pipeline.Verdict{Cause: "There is no builder: neither a BuildKit daemon nor a Docker engine is on this machine. An image stage needs a BuildKit daemon (the server's setting SLIPWAY_BUILDKIT) or a Docker engine."}},
	{log: "", id: "base-image-missing", verdict: pipeline.Verdict{Cause: "Dockerfile:1: failed to resolve source metadata for docker.io/library/pyhton:3.13: docker.io/library/pyhton:3.13: not found."}},
	{log: "", id: "base-image-unreachable", verdict: pipeline.Verdict{Cause: "Dockerfile:1: failed to resolve source metadata for docker.io/library/python:3.13: failed to do request: Head \"https://registry-1.docker.io/v2/library/python/manifests/3.13\": dial tcp: lookup registry-1.docker.io: no such host."}},
	{log: "", id: "copy-missing", verdict: pipeline.Verdict{Cause: "Dockerfile:4: \"/dist\": not found."}},
	{log: "", id: "context-too-large", verdict: pipeline.Verdict{Cause: "The build context has 5.1 GB in 12044 files; at most 4.3 GB are sent to the builder. Largest: data (5.0 GB)."}},
	{log: "", id: "image-moved", verdict: pipeline.Verdict{Cause: "The image that was built and scanned (linux/amd64 sha256:1) was lost, and building it again gives another one (linux/amd64 sha256:2): something the build fetches has changed."}},
	{log: "", id: "scan-without-database", verdict: pipeline.Verdict{Cause: "The scan fails from severity medium on: There is no vulnerability database, and it could not be fetched (no such host)."}},
	{log: "", id: "trivy-missing", verdict: pipeline.Verdict{Cause: "The scan fails from severity low on: Trivy is not installed where the stage runs, so that the image was not scanned and has no list of its contents."}},
	{log: "", id: "scan-failed", verdict: pipeline.Verdict{Cause: "The scan fails from severity critical on: CVE-2022-3602 in openssl 3.0.5-1 (critical, fixed in 3.0.7-1); and 2 more."}},
}

// uses is the kind of stage that printed a log.
func (c knownCase) uses() string {
	if strings.HasPrefix(c.log, "terraform-") || strings.HasPrefix(c.log, "aws-") {
		return "terraform"
	}
	return ""
}

func tail(t *testing.T, name string) []string {
	t.Helper()
	if name == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join("testdata", name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func TestKnownFailures(t *testing.T) {
	var all strings.Builder
	covered := map[string]bool{}
	for _, c := range cases {
		if c.id == "" {
			c.id = c.log
		}
		if c.verdict.Status == "" {
			c.verdict.Status = pipeline.StatusFailure
		}
		t.Run(c.log+"/"+c.id, func(t *testing.T) {
			got := Find(pipeline.StageSpec{Uses: c.uses()}, c.verdict, tail(t, c.log))
			if got == nil || got.ID != c.id {
				t.Fatalf("found %+v, want %s", got, c.id)
			}
			if got.Evidence == "" && c.verdict.ExitCode != 137 || strings.Contains(got.Cause+strings.Join(got.Remedy, ""), "$1") {
				t.Errorf("diagnosis = %+v", got)
			}
			covered[got.ID] = true
			_, _ = fmt.Fprintf(&all, "%s\n  cause:    %s\n  remedy:   %s\n  evidence: %s\n", got.ID, got.Cause, strings.Join(got.Remedy, "\n            "), got.Evidence)
		})
	}
	// No real log could be had for these; their texts are those of the tools' documentation and sources.
	covered["registry-rate-limit"], covered["certificate-not-trusted"], covered["permission-denied"] = true, true, true
	for _, r := range rules {
		if !covered[r.id] {
			t.Errorf("no log for %s", r.id)
		}
	}
	golden.Equal(t, "testdata/known.golden.txt", all.String())
}

func TestEveryLogIsUsed(t *testing.T) {
	used := map[string]bool{}
	for _, c := range cases {
		used[c.log+".log"] = true
	}
	files, err := filepath.Glob("testdata/*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !used[filepath.Base(file)] {
			t.Errorf("%s has no case", file)
		}
	}
}

func TestNothingToDiagnose(t *testing.T) {
	log := []string{"pytest: command not found"}
	for _, status := range []pipeline.Status{pipeline.StatusSuccess, pipeline.StatusCancelled, pipeline.StatusSkipped} {
		if got := Find(pipeline.StageSpec{}, pipeline.Verdict{Status: status}, log); got != nil {
			t.Errorf("%s: %+v", status, got)
		}
	}
	if got := Find(pipeline.StageSpec{}, pipeline.Verdict{Status: pipeline.StatusFailure, Cause: "1 of 3 tests failed: tests.test_a (assert 1 == 2)."}, []string{"E  assert 1 == 2"}); got != nil {
		t.Errorf("an unknown failure is diagnosed as %+v", got)
	}
}

func TestTheMostSpecialWins(t *testing.T) {
	for id, log := range map[string][]string{
		"name-not-resolved":       {"WARNING: Retrying after connection broken by 'NewConnectionError(Name or service not known)'", "ERROR: No matching distribution found for flask"},
		"pytest-not-found":        {"bash: line 1: pytest: command not found"},
		"disk-full":               {"OSError: [Errno 28] No space left on device", "ERROR: Failed building wheel for x"},
		"python-syntax-error":     {"E     File \"/work/tests/test_a.py\", line 1", "E   SyntaxError: invalid syntax", "Interrupted: 1 error during collection"},
		"aws-credentials-missing": {"\x1b[31m│\x1b[0m \x1b[1mError: No valid credential sources found\x1b[0m"},
	} {
		if got := Find(pipeline.StageSpec{}, pipeline.Verdict{Status: pipeline.StatusFailure}, log); got == nil || got.ID != id {
			t.Errorf("found %+v, want %s", got, id)
		}
	}
}

func TestTheTimeoutIsTold(t *testing.T) {
	got := Find(pipeline.StageSpec{}, pipeline.Verdict{Status: pipeline.StatusTimedOut}, []string{"bash: x: command not found"})
	if got == nil || got.ID != "timeout" {
		t.Errorf("found %+v", got)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("ModuleNotFoundError: No module named 'x'", "cause")
	f.Add(strings.Repeat("a:", 40_000)+" Permission denied", "\x1b[31m")
	f.Fuzz(func(t *testing.T, line, cause string) {
		got := Find(pipeline.StageSpec{}, pipeline.Verdict{Status: pipeline.StatusFailure, ExitCode: 126, Cause: cause}, []string{line, line})
		if got != nil && (got.ID == "" || got.Cause == "" || len(got.Remedy) == 0 || len(got.Evidence) > maxEvidence+3) {
			t.Errorf("diagnosis = %+v", got)
		}
	})
}
