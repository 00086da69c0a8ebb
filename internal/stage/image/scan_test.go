package image

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// old is an image on a base with known vulnerabilities.
func old() map[string]string {
	return map[string]string{"Dockerfile": "FROM base:1\nCOPY main.txt /main.txt\n", "main.txt": "one"}
}

func cells(t *testing.T, section pipeline.Section) string {
	t.Helper()
	if section.Table == nil {
		t.Fatalf("the section %q has no table", section.Title)
	}
	var rows []string
	for _, row := range section.Table.Rows {
		rows = append(rows, strings.Join(row, " | "))
	}
	return strings.Join(rows, "\n")
}

func TestVulnerabilitiesFailFromASeverityOn(t *testing.T) {
	j := newJob(t, old()).withTrivy()
	s, verdict := j.fails("CVE-2022-3602 in openssl 3.0.5-1 (critical, fixed in 3.0.7-1)")
	if !strings.Contains(verdict.Title, "1 critical, 1 high") {
		t.Errorf("the title is %q", verdict.Title)
	}
	if len(s.Recorded.Private) > 0 {
		t.Error("an image that is too bad is kept for the second step")
	}
	section, _ := s.SectionTitled("Vulnerabilities")
	want := "critical | CVE-2022-3602 | openssl | 3.0.5-1 | 3.0.7-1 | openssl: X.509 Email Address Buffer Overflow\n" +
		"high | CVE-2023-0286 | openssl | 3.0.5-1 | 3.0.8-1 | openssl: X.400 address type confusion in X.509 GeneralName\n" +
		"low | CVE-2005-2541 | tar | 1.34+dfsg-1.2 | affected | tar: does not properly warn the user when extracting setuid or setgid files"
	if got := cells(t, section); got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
	if f := s.Recorded.Findings[0]; f.Rule != "CVE-2022-3602" || f.Level != pipeline.LevelFailure || f.Severity != pipeline.SeverityCritical {
		t.Errorf("the first finding is %+v", f)
	}
	if text := string(s.Recorded.Artifacts["trivy.sarif"]); !strings.Contains(text, "CVE-2022-3602") || !strings.Contains(text, `"version": "2.1.0"`) {
		t.Errorf("the SARIF artifact is %.200s", text)
	}
	scan, _ := s.SectionTitled("Scan")
	if got := cells(t, scan); !strings.HasPrefix(got, "Vulnerabilities | 1 | 1 | 0 | 1\n") {
		t.Errorf("the figures are\n%s", got)
	}
	if found := j.inRegistry("main", sha1); len(found) > 0 {
		t.Errorf("the registry holds %v", found)
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	t.Run("fail-on", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		j.with["scan"] = map[string]any{"fail-on": "none"}
		j.prepare()
	})
	t.Run("ignored", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		j.files[".trivyignore"] = "# not reachable here\nCVE-2022-3602\n"
		s, _ := j.prepare()
		section, _ := s.SectionTitled("Scan")
		if !strings.Contains(section.Text, "1 ignored finding (.trivyignore).") {
			t.Errorf("the check says %q", section.Text)
		}
	})
	t.Run("unfixed", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		j.with["scan"] = map[string]any{"fail-on": "none", "ignore-unfixed": true}
		s, _ := j.prepare()
		section, _ := s.SectionTitled("Vulnerabilities")
		if got := cells(t, section); strings.Contains(got, "tar") || !strings.Contains(got, "openssl") {
			t.Errorf("the table is\n%s", got)
		}
	})
	t.Run("not by trivy.yaml", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		j.files["trivy.yaml"] = "severity: [LOW]\nexit-code: 0\nscan: {skip-dirs: [/], scanners: [secret]}\n"
		j.fails("CVE-2022-3602")
	})
}

func TestAGoodImageIsPublishedWithItsContents(t *testing.T) {
	j := newJob(t, app()).withTrivy()
	first, verdict := j.prepare()
	if !strings.Contains(verdict.Title, "0 critical, 0 high") {
		t.Errorf("the title is %q", verdict.Title)
	}
	var bill struct {
		Version  string `json:"spdxVersion"`
		Packages []struct{ Name string }
	}
	if err := json.Unmarshal(first.Recorded.Artifacts["sbom.spdx.json"], &bill); err != nil {
		t.Fatal(err)
	}
	if bill.Version != "SPDX-2.3" || !slices.ContainsFunc(bill.Packages, func(p struct{ Name string }) bool { return p.Name == "openssl" }) {
		t.Errorf("the list of contents is %+v", bill)
	}
	for name, text := range first.Recorded.Artifacts {
		if strings.Contains(string(text), first.Scratch()) {
			t.Errorf("%s names a folder of ours", name)
		}
	}
	rules, _ := first.SectionTitled("Image rules")
	if got, want := cells(t, rules), "Not run as root | yes | it runs as app\nBuilt in stages | yes | 2 stages\nOn a minimal base | yes | base:2-slim"; got != want {
		t.Errorf("the rules are\n%s", got)
	}
	j.apply(first)
	types := attached(t, j, "main")
	if !slices.Contains(types, spdx) || !slices.ContainsFunc(types, func(s string) bool { return strings.HasPrefix(s, "https://slsa.dev/provenance/") }) {
		t.Errorf("attached is %q", types)
	}
	// A second build of the same is scanned, and keeps its digest.
	j.trigger.SHA = sha2
	second, _ := j.prepare()
	if digestOf(t, second) != digestOf(t, first) {
		t.Errorf("the digest is %s, then %s", digestOf(t, first), digestOf(t, second))
	}
	if _, scanned := second.SectionTitled("Scan"); !scanned || len(second.Recorded.Artifacts["trivy.sarif"]) == 0 {
		t.Error("the image that is used again was not scanned")
	}
}

func TestSecretsAndMisconfigurationAreOnTheirLines(t *testing.T) {
	token := "ghp_" + strings.Repeat("aB3dE5", 6)
	j := newJob(t, map[string]string{
		"Dockerfile": "FROM base:2-slim\nUSER root\nCOPY --chmod=644 config.env /config.env\nENV MODE=x\nARG KEY=none\nRUN cp config.env /copy.env\n", "config.env": "GITHUB_TOKEN=" + token + "\n",
	}).withTrivy()
	j.with["scan"] = map[string]any{"fail-on": "none"}
	s, _ := j.prepare()
	has := func(title string, line int) {
		t.Helper()
		if !slices.ContainsFunc(s.Recorded.Findings, func(f pipeline.Finding) bool {
			return strings.Contains(f.Title, title) && f.Path == "Dockerfile" && f.Line == line
		}) {
			t.Errorf("nothing about %q on line %d: %+v", title, line, s.Recorded.Findings)
		}
	}
	has("A secret in the image: GitHub Personal Access Token", 3)
	has("A secret in the image: GitHub Personal Access Token", 6)
	has("root", 2)
	if strings.Contains(s.LogText(), token) {
		t.Error("the log holds the secret that was found")
	}
	t.Run("what is lacking", func(t *testing.T) {
		j := newJob(t, map[string]string{"Dockerfile": "FROM base:1 AS build\n\nFROM base:2-slim\nENV MODE=x\n"}).withTrivy()
		j.with["scan"] = map[string]any{"fail-on": "high"}
		s, _ = j.fails("Dockerfile:3: Image user should not be 'root' (high)")
		has("root", 3)
	})
}

func TestTheDatabaseThatCannotBeHad(t *testing.T) {
	t.Setenv("TRIVY_DB_REPOSITORY", "127.0.0.1:1/none/db:2")
	lose := func(j *job) {
		if err := os.RemoveAll(filepath.Join(j.cache, cacheTrivy, "db")); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("asked for certainty", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		lose(j)
		j.with["scan"] = map[string]any{"fail-on": "medium"}
		_, verdict := j.fails("There is no vulnerability database, and it could not be fetched (", "127.0.0.1:1", "connection refused")
		if strings.Contains(verdict.Cause, "()") || strings.Contains(verdict.Cause, "FATAL") {
			t.Errorf("the cause is %q", verdict.Cause)
		}
	})
	t.Run("told", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		lose(j)
		s, verdict := j.prepare()
		if !strings.Contains(verdict.Title, "vulnerabilities not looked for") {
			t.Errorf("the title is %q", verdict.Title)
		}
		scan, _ := s.SectionTitled("Scan")
		if !strings.HasPrefix(cells(t, scan), "Vulnerabilities | ? | ? | ? | ?\n") {
			t.Errorf("the figures are\n%s", cells(t, scan))
		}
		if len(s.Recorded.Artifacts["sbom.spdx.json"]) == 0 {
			t.Error("there is no list of contents")
		}
	})
	t.Run("old", func(t *testing.T) {
		j := newJob(t, old()).withTrivy()
		text := `{"Version":2,"NextUpdate":"2026-01-02T00:00:00Z","UpdatedAt":"2026-01-01T00:00:00Z","DownloadedAt":"2026-01-01T00:00:00Z"}`
		if err := os.WriteFile(filepath.Join(j.cache, cacheTrivy, "db", "metadata.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := j.fails("CVE-2022-3602")
		scan, _ := s.SectionTitled("Scan")
		if !strings.Contains(scan.Text, "is of 2026-01-01: it could not be fetched (") || !strings.Contains(scan.Text, "connection refused") {
			t.Errorf("that the database is old is not told: %q", scan.Text)
		}
	})
}

func TestTheDatabaseIsFetchedFromAMirror(t *testing.T) {
	j := newJob(t, old()).withTrivy()
	if err := imagetest.PublishDatabase(t.Context(), world.Open+"/aquasec/trivy-db:2", filepath.Join(j.cache, cacheTrivy)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(j.cache, cacheTrivy)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TRIVY_DB_REPOSITORY", world.Open+"/aquasec/trivy-db:2")
	j.fails("CVE-2022-3602")
	if _, err := os.Stat(filepath.Join(j.cache, cacheTrivy, "db", "trivy.db")); err != nil {
		t.Error(err)
	}
}

func TestNoTrivy(t *testing.T) {
	j := newJob(t, old()).withoutTrivy()
	s, verdict := j.prepare()
	if !strings.Contains(verdict.Title, "vulnerabilities not looked for") {
		t.Errorf("the title is %q", verdict.Title)
	}
	scan, _ := s.SectionTitled("Scan")
	if !strings.Contains(scan.Text, "Trivy is not installed") {
		t.Errorf("the check says %q", scan.Text)
	}
	j.with["scan"] = map[string]any{"fail-on": "low"}
	j.fails("Trivy is not installed")
}

func TestAnImageWithoutItsContentsIsNotUsedAgainOnceTheyCanBeListed(t *testing.T) {
	path := os.Getenv("PATH")
	j := newJob(t, app()).withoutTrivy()
	j.prepare()
	second, _ := j.prepare()
	if strings.Contains(second.LogText(), "#1 ") {
		t.Errorf("without Trivy it is built again and again:\n%s", second.LogText())
	}
	t.Setenv("PATH", path)
	j.withTrivy()
	third, _ := j.prepare()
	j.apply(third)
	if types := attached(t, j, "main"); !slices.Contains(types, spdx) {
		t.Errorf("attached is %q", types)
	}
	fourth, _ := j.prepare()
	if strings.Contains(fourth.LogText(), "#1 ") || digestOf(t, fourth) != digestOf(t, third) {
		t.Errorf("the image with its contents is not used again:\n%s", fourth.LogText())
	}
}

func TestAgainstWhatAnEnvironmentRuns(t *testing.T) {
	j := newJob(t, old()).withTrivy()
	j.with["scan"] = map[string]any{"fail-on": "none"}
	first, _ := j.prepare()
	repository, _ := j.with["repository"].(string)
	j.running = map[string]string{"production": repository + "@" + digestOf(t, first), "staging": repository + "@sha256:" + strings.Repeat("0", 64)}
	j.files["Dockerfile"] = "FROM base:2-slim\nCOPY main.txt /main.txt\n"
	second, _ := j.prepare()
	section, found := second.SectionTitled("Against production")
	if !found || !strings.Contains(section.Text, "3 vulnerabilities gone, 0 vulnerabilities new") || !strings.Contains(cells(t, section), "gone | critical | CVE-2022-3602") {
		t.Errorf("the check says %+v", section)
	}
	if section, _ := second.SectionTitled("Against staging"); !strings.Contains(section.Text, "not known here") {
		t.Errorf("the check says %q", section.Text)
	}
}

func TestPlatformsAreScannedEach(t *testing.T) {
	j := newJob(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY a.txt /\n", "a.txt": "one"}).withTrivy()
	j.with["platforms"] = []string{"linux/amd64", "linux/arm64"}
	first, _ := j.prepare()
	for _, name := range []string{"trivy-linux-amd64.sarif", "trivy-linux-arm64.sarif", "sbom-linux-arm64.spdx.json"} {
		if len(first.Recorded.Artifacts[name]) == 0 {
			t.Errorf("there is no %s", name)
		}
	}
	j.apply(first)
	if got := attached(t, j, "main"); len(got) != 4 {
		t.Errorf("attached is %q, want provenance and contents of each platform", got)
	}
}
