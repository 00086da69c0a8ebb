package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const main40 = "0123456789abcdef0123456789abcdef01234567"

func TestTags(t *testing.T) {
	main := pipeline.Trigger{SHA: main40, Branch: "main", Repository: pipeline.Repository{DefaultBranch: "main"}}
	on := func(branch string) pipeline.Trigger { t := main; t.Branch = branch; return t }
	for name, c := range map[string]struct {
		wanted  []string
		trigger pipeline.Trigger
		want    []string
	}{
		"default branch": {[]string{"branch", "sha", "latest"}, main, []string{"main", main.SHA, "latest"}},
		"other branch":   {[]string{"branch", "sha", "latest"}, on("login-2.x"), []string{"login-2.x", main.SHA}},
		"own":            {[]string{"stable", "v1.2", "stable"}, main, []string{"stable", "v1.2"}},
		"filled in":      {[]string{"{branch}-{short-sha}", "build-{run}", "x{sha}"}, main, []string{"main-0123456", "build-7", "x" + main.SHA}},
		"none is left":   {[]string{"latest"}, on("other"), []string{main.SHA}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tags(c.wanted, c.trigger, 7); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A branch that anybody may push must not move the tag of another one, or one that means something else.
func TestTagsOfBranches(t *testing.T) {
	long := strings.Repeat("b", 200)
	for branch, want := range map[string]string{
		"main": "main", "v1.2_x-y": "v1.2_x-y", "": "",
		"feature/login": "feature-login", "ümain": "main-126627af450e", "-.x": "x-f60e0012926f",
		"ü": "branch-607474ca475a", long: strings.Repeat("b", 115) + "-aaebc35c4c4e",
		"latest": "latest-5e1e2bcac305", "buildcache-main": "buildcache-main-14a4e79227d6",
		main40: main40 + "-deb87fabd177", "feature-login-0123456789ab": "feature-login-0123456789ab-d941d25c7a32",
		"sha256-1.sig": "sha256-1.sig-beeedcbf077d",
	} {
		if got := tagOf(branch); got != want {
			t.Errorf("%q has the tag %q, want %q", branch, got, want)
		}
		if got := cacheTag(branch); len(got) > maxTag || !strings.HasPrefix(got, "buildcache-") {
			t.Errorf("%q has its cache in %q", branch, got)
		}
	}
	own := pipeline.Trigger{SHA: main40, Branch: "feature/login", Repository: pipeline.Repository{DefaultBranch: "feature-login"}}
	if got := tags([]string{"branch", "x-{branch}"}, own, 1); !slices.Equal(got, []string{"feature-login-df7c7aeb3560", "x-feature-login-df7c7aeb3560"}) {
		t.Errorf("the tag of the default branch is moved by another: %q", got)
	}
	trigger := pipeline.Trigger{SHA: main40, Branch: long}
	other := trigger
	other.Branch += "c"
	if a, b := tags([]string{"x-{branch}-{branch}"}, trigger, 1), tags([]string{"x-{branch}-{branch}"}, other, 1); a[0] == b[0] || len(a[0]) > maxTag || cacheTag(long) == cacheTag(long+"c") {
		t.Errorf("two branches have the tag %q (%q)", a, b)
	}
}

func TestWhatADockerfileTakes(t *testing.T) {
	for name, c := range map[string]struct {
		text, target string
		args         map[string]string
		bases        []string
		complete     bool
		final        string
		stages       int
		syntax       string
	}{
		"one":            {"FROM debian:12\n", "", nil, []string{"debian:12"}, true, "debian:12", 1, ""},
		"scratch":        {"FROM scratch\nCOPY a /\n", "", nil, nil, true, "scratch", 1, ""},
		"stages":         {"FROM golang:1 AS build\nFROM alpine\nCOPY --from=build /a /a\n", "", nil, []string{"golang:1", "alpine"}, true, "alpine", 2, ""},
		"stage on stage": {"FROM python:slim AS base\nFROM base AS app\nRUN true\n", "", nil, []string{"python:slim"}, true, "python:slim", 2, ""},
		"target":         {"FROM golang:1 AS build\nFROM alpine\n", "build", nil, []string{"golang:1", "alpine"}, true, "golang:1", 2, ""},
		"copy from":      {"FROM scratch\nCOPY --from=busybox:1 /bin /bin\n", "", nil, []string{"busybox:1"}, true, "scratch", 1, ""},
		"mount from":     {"FROM debian\nRUN --mount=type=bind,from=tools:2,target=/t true\n", "", nil, []string{"debian", "tools:2"}, true, "debian", 1, ""},
		"argument":       {"ARG V=1\nFROM debian:${V}\n", "", nil, []string{"debian:1"}, true, "debian:1", 1, ""},
		"given":          {"ARG V=1\nFROM debian:$V\n", "", map[string]string{"V": "2"}, []string{"debian:2"}, true, "debian:2", 1, ""},
		"unknown":        {"ARG V\nFROM debian:$V\n", "", nil, nil, false, "debian:", 1, ""},
		"download":       {"FROM scratch\nADD https://example.org/x /x\n", "", nil, nil, false, "scratch", 1, ""},
		"by argument":    {"FROM scratch\nARG URL=https://example.org/x\nADD ${URL} /x\n", "", nil, nil, false, "scratch", 1, ""},
		"partly argued":  {"FROM scratch\nARG S\nADD https:/$S/x /x\n", "", nil, nil, false, "scratch", 1, ""},
		"by default":     {"FROM scratch\nADD ${URL:-https://example.org/x} /x\n", "", nil, nil, false, "scratch", 1, ""},
		"quoted":         {"FROM scratch\nADD https:'//example.org/x' /x\n", "", nil, nil, false, "scratch", 1, ""},
		"another's git":  {"FROM scratch\nADD deploy@example.org:acme/app.git /x\n", "", nil, nil, false, "scratch", 1, ""},
		"argued folder":  {"FROM scratch\nARG V\nADD dist/$V ./@$V /x/\n", "", nil, nil, true, "scratch", 1, ""},
		"here-document":  {"FROM scratch\nADD <<EOF /x\nhttps://example.org $V\nEOF\n", "", nil, nil, true, "scratch", 1, ""},
		"checked":        {"FROM scratch\nADD --checksum=sha256:0123456789012345678901234567890123456789012345678901234567890123 https://example.org/x /x\n", "", nil, nil, true, "scratch", 1, ""},
		"syntax":         {"# syntax=docker/dockerfile:1\nFROM debian\n", "", nil, []string{"debian"}, true, "debian", 1, "docker/dockerfile:1"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := parse([]byte(c.text), c.target, c.args)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(d.bases, c.bases) || d.complete != c.complete || d.final != c.final || len(d.stages) != c.stages || d.syntax != c.syntax {
				t.Errorf("got bases %q, complete %t, final %q, %d stages, syntax %q", d.bases, d.complete, d.final, len(d.stages), d.syntax)
			}
		})
	}
}

func TestADockerfileThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
	}{
		"no FROM": {"RUN true\n", 1}, "unknown": {"FROM a\n\nRAN x\n", 3}, "flag": {"FROM a\nCOPY --form=b x y\n", 2}, "continued": {"FROM a\nCOPY \\\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse([]byte(c.text), "", nil)
			problem, ok := errors.AsType[*syntaxError](err)
			if !ok || problem.line != c.line {
				t.Errorf("got %v (%+v), want a problem in line %d", err, problem, c.line)
			}
		})
	}
}

func TestTheLineOfALayer(t *testing.T) {
	d, err := parse([]byte("FROM a\nRUN  apt-get update && \\\n    apt-get install x\nCOPY . /app\n"), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for by, want := range map[string]int{
		"COPY . /app # buildkit": 4, "RUN /bin/sh -c apt-get update &&     apt-get install x # buildkit": 2, "/bin/sh -c #(nop) CMD": 0,
	} {
		if got, _ := d.lineOf(by); got != want {
			t.Errorf("%q is line %d, want %d", by, got, want)
		}
	}
}

func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		dockerfile, user string
		want             [3]bool
	}{
		"good":      {"FROM golang AS b\nFROM gcr.io/distroless/static\n", "65532:65532", [3]bool{true, true, true}},
		"root":      {"FROM python:3.13-slim\n", "", [3]bool{false, false, true}},
		"root said": {"FROM a AS b\nFROM debian:12\n", "0:0", [3]bool{false, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := parse([]byte(c.dockerfile), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, p := range policies(d, &v1.ConfigFile{Config: v1.Config{User: c.user}}) {
				if p.kept != c.want[i] {
					t.Errorf("%s is kept: %t (%s)", p.rule, p.kept, p.note)
				}
			}
		})
	}
}

func TestMinimalBases(t *testing.T) {
	for name, want := range map[string]bool{
		"python:3.13-slim": true, "python:3.13-alpine3.20": true, "gcr.io/distroless/static-debian12": true, "scratch": true,
		"registry.access.redhat.com/ubi9/ubi-micro:9.4": true, "mcr.microsoft.com/windows/nanoserver:ltsc2025": true, "cgr.dev/chainguard/python": true,
		"mcr.microsoft.com/dotnet/aspnet:8.0": false, "mcr.microsoft.com/dotnet/runtime-deps:8.0-alpine@sha256:0123": true,
		"alpine.example:5000/acme/fat:1": false, "acme/nanomsg:1": false, "debian": false, "": false,
	} {
		if got := base(dockerfile{final: name}); got.kept != want {
			t.Errorf("%q is minimal: %t", name, got.kept)
		}
	}
}

// A Dockerfile's own faults are annotated however many vulnerabilities its base image has.
func TestFindingsOnLinesComeFirst(t *testing.T) {
	scan := scanned{places: []pipeline.Finding{
		{Title: "low", Severity: pipeline.SeverityLow, Path: "Dockerfile", Line: 1}, {Title: "high", Severity: pipeline.SeverityHigh, Path: "Dockerfile", Line: 2},
	}}
	for i := range 2 * annotatedFindings {
		scan.vulnerabilities = append(scan.vulnerabilities, vulnerability{ID: fmt.Sprint("CVE-", i), Severity: "CRITICAL"})
	}
	a := &attempt{settings: Settings{Scan: ScanSettings{FailOn: pipeline.SeverityHigh}}}
	all := a.findings(scan)
	if len(all) != annotatedFindings {
		t.Fatalf("%d findings", len(all))
	}
	if first, last := all[len(all)-2], all[len(all)-1]; first.Title != "high" || first.Level != pipeline.LevelFailure || last.Title != "low" {
		t.Errorf("the last findings are %+v and %+v", first, last)
	}
	for range annotatedFindings {
		scan.places = append(scan.places, pipeline.Finding{Title: "medium", Severity: pipeline.SeverityMedium, Path: "Dockerfile", Line: 3})
	}
	if all := a.findings(scan); len(all) != annotatedFindings || all[0].Title != "high" || all[annotatedFindings-1].Title != "medium" {
		t.Errorf("the first of %d is %+v, the last %+v", len(all), all[0], all[len(all)-1])
	}
}

func TestJudge(t *testing.T) {
	for message, want := range map[string]pipeline.Verdict{
		"failed to resolve source metadata for docker.io/library/x:1: docker.io/library/x:1: not found":                                            {Title: "The base image docker.io/library/x:1 does not exist"},
		"failed to resolve source metadata for docker.io/library/x:1: failed to do request: Head \"https://h/\": dial tcp: lookup h: no such host": {Title: "The base image docker.io/library/x:1 cannot be reached", Infrastructure: true},
		"failed to resolve source metadata for docker.io/acme/p:1: pull access denied, repository does not exist or may require authorization":     {Title: "The base image docker.io/acme/p:1 does not exist"},
		"failed to resolve source metadata for docker.io/acme/p:1: failed to authorize: failed to fetch anonymous token: 401 Unauthorized":         {Title: "The base image docker.io/acme/p:1 does not exist"},
		"\"/nothing\": not found":           {Title: "/nothing does not exist where it is copied from"},
		"secret NPM_TOKEN: not found":       {Title: "The build has no secret NPM_TOKEN"},
		"tool: not found":                   {Title: "The image could not be built"},
		"write /x: no space left on device": {Title: "The disk of the builder is full", Infrastructure: true},
		"process \"/bin/sh -c false\" did not complete successfully: exit code: 1": {Title: "The image could not be built"},
	} {
		got := judge(&buildkit.BuildError{Message: message})
		if got.Title != want.Title || got.Infrastructure != want.Infrastructure {
			t.Errorf("%s:\ngot %q, %t", message, got.Title, got.Infrastructure)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 52_400_000: "52 MB", 4 << 30: "4.3 GB"} {
		if got := bytesOf(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestWhatFails(t *testing.T) {
	critical := vulnerability{ID: "CVE-1", Package: "openssl", Installed: "1", Fixed: "2", Severity: "CRITICAL"}
	low := vulnerability{ID: "CVE-2", Package: "tar", Installed: "1", Severity: "LOW"}
	secret := pipeline.Finding{Title: "A secret in the image: AWS", Severity: pipeline.SeverityHigh, Path: "Dockerfile", Line: 3}
	for name, c := range map[string]struct {
		failOn pipeline.Severity
		scan   scanned
		want   string
	}{
		"nothing found":       {pipeline.SeverityLow, scanned{}, ""},
		"worse than asked":    {pipeline.SeverityHigh, scanned{vulnerabilities: []vulnerability{critical, low}}, "The scan fails from severity high on: CVE-1 in openssl 1 (critical, fixed in 2)."},
		"none":                {pipeline.SeverityNone, scanned{vulnerabilities: []vulnerability{critical}, unknown: "no database"}, ""},
		"a secret":            {pipeline.SeverityHigh, scanned{places: []pipeline.Finding{secret}}, "The scan fails from severity high on: Dockerfile:3: A secret in the image: AWS (high)."},
		"unknown, critical":   {pipeline.SeverityCritical, scanned{unknown: "no database"}, ""},
		"unknown, medium":     {pipeline.SeverityMedium, scanned{unknown: "no database"}, "The scan fails from severity medium on: no database."},
		"unknown is no worse": {pipeline.SeverityHigh, scanned{unknown: "no database"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := &attempt{settings: Settings{Scan: ScanSettings{FailOn: c.failOn}}}
			if got := a.tooBad(c.scan); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhatTrivyComplainsOf(t *testing.T) {
	for said, want := range map[string]string{
		"": "Trivy does not say why",
		"2026-01-01T00:00:00Z\tINFO\t[vulndb] Need to update DB\n2026-01-01T00:00:00Z\tFATAL\tFatal error\trun error: init error: DB error: failed to download vulnerability DB: OCI artifact error: failed to download artifact from r/db:2: OCI repository error: 1 error occurred:\n\t* Get \"http://r/v2/\": connection refused\n\n": "failed to download artifact from r/db:2: OCI repository error: Get \"http://r/v2/\": connection refused",
		"first\n2026-01-01T00:00:00Z\tFATAL\tFatal error\trun error: scan error: no such image\nafterwards": "scan error: no such image",
		"t\tFATAL\trun error: failed to fetch: 2 errors occurred:\n\t* one\n\t* two\n":                      "failed to fetch: one; two",
		"only this\nand that": "only this",
	} {
		var c complaint
		for line := range strings.SplitSeq(said, "\n") {
			c.hear(line)
		}
		if got := c.String(); got != want {
			t.Errorf("of %q: %q, want %q", said, got, want)
		}
	}
}

// What an environment runs for months is compared with every day; what was found in it must not be older than it is.
func TestWhatIsUsedIsNotSwept(t *testing.T) {
	now := commitTime()
	st := store{t.TempDir(), func() time.Time { return now }}
	for _, sub := range []string{layoutsDir, recordsDir} {
		if err := os.Mkdir(filepath.Join(st.dir, sub), permissions); err != nil {
			t.Fatal(err)
		}
	}
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	running := map[string]string{"production": "r.example/acme/app@" + digest("a"), "staging": "r.example/acme/app@" + digest("b"), "none": "r.example/acme/app"}
	files := map[string]bool{st.record("key"): false}
	for c, kept := range map[string]bool{"a": true, "b": true, "c": false} {
		name, _ := st.foundFile(digest(c))
		files[name] = kept
	}
	for file := range files {
		if err := os.WriteFile(file, []byte("[]"), fileReadable); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, now, now); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		now = now.Add(keptFor - time.Hour)
		if err := st.sweep(running); err != nil {
			t.Fatal(err)
		}
	}
	for file, want := range files {
		if _, err := os.Stat(file); (err == nil) != want {
			t.Errorf("%s is kept: %v, want %t", filepath.Base(file), err, want)
		}
	}
}
