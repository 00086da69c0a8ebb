package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// page is what a visitor gets.
func (s *site) page(url string) string {
	s.Helper()
	answer, err := http.Get(url)
	must(s.T, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(s.T, err)
	if answer.StatusCode != http.StatusOK {
		s.Errorf("%s answers %d", url, answer.StatusCode)
	}
	return string(body)
}

// secret gives the organisation's stages a secret.
func (s *site) secret(name, value string) {
	s.Helper()
	path := filepath.Join(s.data, "secrets", "acme", name)
	must(s.T, os.MkdirAll(filepath.Dir(path), 0o700))
	must(s.T, os.WriteFile(path, []byte(value), 0o600))
}

const wideFile = `
on: {push: {branches: ['**']}}
stages:
  legs:
    matrix: {os: [linux, mac], size: [1, 2]}
    run: ["echo leg $SLIPWAY_STAGE"]
  docs: {run: ["echo docs"], paths: ["docs/**"]}
  never: {run: ["echo never"], if: "branch == 'other'"}
  flaky: {run: ["test $SLIPWAY_ATTEMPT = 2"], retry: 2}
  soft: {run: ["exit 7"], continue-on-failure: true}
  after-soft: {run: ["echo on"], needs: [soft, legs, {stage: never, optional: true}]}
  reports:
    run:
      - mkdir -p out && cp junit.xml cobertura.xml lint.sarif out/
      - 'echo "version=1.2.3" >> "$SLIPWAY_OUTPUT"; echo "**bold** words" >> "$SLIPWAY_SUMMARY"'
    reports: {junit: out/junit.xml, cobertura: out/cobertura.xml, sarif: out/lint.sarif}
    artifacts: [out]
  reader: {run: ['echo "got $SLIPWAY_OUTPUT_REPORTS_VERSION"'], needs: [reports]}
  deployment-summary: {uses: summary}
`

func wide() githubtest.Files {
	return githubtest.Files{
		".github/slipway.yml": wideFile,
		"app.py":              "a = 1\nb = 2\n",
		"junit.xml": `<testsuite name="s" tests="3" failures="1"><testcase classname="c" name="one" time="0.1"/><testcase classname="c" name="two"/>` +
			`<testcase classname="c" name="three" file="app.py" line="2"><failure message="no">trace</failure></testcase></testsuite>`,
		"cobertura.xml": `<coverage line-rate="0.5" lines-covered="1" lines-valid="2"><packages><package name="p"><classes>` +
			`<class filename="app.py"><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>`,
		"lint.sarif": `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"linty","rules":[{"id":"L1"}]}},"results":[{"ruleId":"L1","level":"warning",` +
			`"message":{"text":"ugly"},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"app.py"},"region":{"startLine":2}}}]}]}]}`,
	}
}

func TestEveryKindOfStageKey(t *testing.T) {
	s := newSite(t, wide())
	s.start()
	sha := s.push("main", githubtest.Files{"app.py": "a = 1\nb = 3\n"}, "code, no docs")
	s.check(sha, "deployment-summary", concluded)
	want := map[string]string{
		"legs (linux, 1)": "success", "legs (linux, 2)": "success", "legs (mac, 1)": "success", "legs (mac, 2)": "success",
		"docs": "skipped", "never": "skipped", "soft": "neutral", "after-soft": "success", "reader": "success",
	}
	for name, conclusion := range want {
		if run := s.check(sha, name, concluded); run.Conclusion != conclusion {
			t.Errorf("%s is %s: %q\n%s", name, run.Conclusion, run.Title, run.Summary)
		}
	}
	s.check(sha, "flaky", func(run githubtest.CheckRun) bool {
		return run.Conclusion == "success" && strings.Contains(run.Summary, "retry 1 of 2")
	})
	if run := s.check(sha, "reader", concluded); !strings.Contains(run.Text, "got 1.2.3") {
		t.Errorf("an output did not arrive:\n%s", run.Text)
	}
	reports := s.check(sha, "reports", concluded)
	for _, part := range []string{"three", "50", "bold", "junit.xml", "ugly"} {
		if !strings.Contains(reports.Title+reports.Summary+reports.Text, part) {
			t.Errorf("%q is missing: %q\n%s\n%s", part, reports.Title, reports.Summary, reports.Text)
		}
	}
	if len(reports.Annotations) < 2 {
		t.Errorf("%d annotations", len(reports.Annotations))
	}
	link := s.page(reports.DetailsURL)
	_, link, found := strings.Cut(link, `href="/acme/shop/runs/1/artifacts`)
	link, _, _ = strings.Cut(link, `"`)
	if !found || !strings.Contains(s.page("http://"+s.addr+"/acme/shop/runs/1/artifacts"+link), "line-rate") {
		t.Errorf("artifact %q of the page cannot be had", link)
	}
	if strings.Contains(s.log.String(), "could not be written") {
		t.Error("the check of a second attempt was written twice")
	}
}

// Values of secrets reach no output, however a stage prints them.
func TestSecretsAreMasked(t *testing.T) {
	file := `
on: {push: {branches: ['**']}}
stages:
  named:
    secrets: [TOKEN]
    run: ["bash test.sh"]
    artifacts: [left.txt]
  other: {run: ["echo ${TOKEN:-none}"]}
  deployment-summary: {uses: summary}
`
	s := newSite(t, githubtest.Files{".github/slipway.yml": file, "test.sh": ""})
	s.secret("TOKEN", "s3cr3t-v4lue/+x\n")
	s.start()
	sha := s.push("main", githubtest.Files{"test.sh": `
echo "plain $TOKEN"
printf 's3cr3t'; sleep 0.3; printf -- '-v4l'; sleep 0.3; printf 'ue/+x\n'
printf '%s' "$TOKEN" | base64
echo "::error file=test.sh,line=1::$TOKEN"
echo "summary $TOKEN" >> "$SLIPWAY_SUMMARY"
echo "value=$TOKEN" >> "$SLIPWAY_OUTPUT"
echo "s3cr3t-v4lue%2F%2Bx"
for i in $(seq 2000); do printf "xx$TOKEN"; done; echo
echo "$TOKEN" >&2
exit 3
`}, "print it")
	run := s.check(sha, "named", concluded)
	s.check(sha, "deployment-summary", concluded)
	if other := s.check(sha, "other", concluded); !strings.Contains(other.Text, "none") {
		t.Errorf("a stage that names no secret: %s", other.Text)
	}
	everything := s.page(run.DetailsURL) + s.log.String()
	for _, c := range s.github.CheckRuns(repo, sha) {
		everything += c.Title + c.Summary + c.Text
		for _, a := range c.Annotations {
			everything += a.Message + a.Title + a.RawDetails
		}
	}
	for _, form := range []string{"s3cr3t", "v4lue", "czNjcjN0LXY0bHVlLyt4"} {
		if i := strings.Index(everything, form); i >= 0 {
			t.Errorf("%q is shown: %s", form, everything[max(0, i-200):min(len(everything), i+100)])
		}
	}
}

func TestOrganisationRulesAndNoFile(t *testing.T) {
	s := newSite(t, githubtest.Files{"README.md": "x"})
	must(t, s.github.AddRepository(t.Context(), "acme/.github", githubtest.RepositoryOptions{Author: "alice", Files: githubtest.Files{
		"slipway.yml": "on: {push: {branches: ['**']}}\nstages:\n  house-rule: {run: [\"echo house\"]}\n",
	}}))
	must(t, s.github.AddCollaborator("acme/.github", "alice", "write"))
	s.start()
	sha := s.push("main", githubtest.Files{"README.md": "y"}, "no file of its own")
	if run := s.check(sha, "house-rule", concluded); run.Conclusion != "success" {
		t.Errorf("%s %q", run.Conclusion, run.Title)
	}
}

func TestInferredPipeline(t *testing.T) {
	s := newSite(t, githubtest.Files{"README.md": "x"})
	s.start()
	sha := s.push("main", githubtest.Files{"requirements.txt": "pytest\npytest-cov\n", "tests/test_a.py": "def test_a():\n    assert True\n"}, "python")
	run := s.check(sha, "build-and-test", concluded)
	if run.Conclusion != "success" || !strings.Contains(run.Title, "1 test") {
		t.Errorf("%s %q\n%s", run.Conclusion, run.Title, run.Summary)
	}
}

func TestMergeQueue(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.start()
	head := s.push("topic", change("echo topic\n"), "topic")
	pull, err := s.github.As("alice").OpenPullRequest(t.Context(), repo, githubtest.NewPullRequest{Title: "T", Head: "topic", Base: "main"})
	must(t, err)
	s.check(head, "deployment-summary", concluded)
	s.push("main", githubtest.Files{"other": "1"}, "main moves")
	group, err := s.github.As("alice").EnqueueMerge(t.Context(), repo, pull.Number)
	must(t, err)
	for _, name := range []string{"test", "after", "deployment-summary"} {
		if run := s.check(group, name, concluded); run.Conclusion != "success" {
			t.Errorf("%s %s %q", name, run.Conclusion, run.Title)
		}
	}
	must(t, s.github.As("alice").Dequeue(t.Context(), repo, pull.Number, "merged"))
	s.check(group, "test", concluded)
}
