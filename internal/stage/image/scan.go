package image

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// unknownAs is how bad it counts that the vulnerabilities could not be looked for, because Trivy or its database is not to
// be had. It is the same as in python-security: whoever fails on medium findings wants certainty, whoever fails on critical
// ones does not want to stand still because another host is down.
const unknownAs = pipeline.SeverityMedium

// scanned is what was found in an image.
type scanned struct {
	db              database
	vulnerabilities []vulnerability
	// places are secrets and misconfigurations, on lines of the Dockerfile where they have one.
	places []pipeline.Finding
	// unknown, where set, is why vulnerabilities were not looked for.
	unknown string
	// ignored counts what .trivyignore leaves out; notes are further remarks.
	ignored int
	notes   []string
	sboms   map[string]json.RawMessage // by the digest of the image they are of
	// changes are against the images that environments run now.
	changes []change
}

// scanner runs Trivy.
type scanner struct {
	a       *attempt
	program string
	db      database
	// root is the scratch folder. Trivy reads what strangers have made: what it leaves there is opened without following a
	// link out of it.
	root *os.Root
	// noArchives: Java archives are left out, because what they are cannot be looked up.
	noArchives bool
}

// examine scans what was built, and attaches the list of what is in it.
func (a *attempt) examine(ctx context.Context, st store, b building, made built, how howMade) (scanned, built, error) {
	result := scanned{sboms: map[string]json.RawMessage{}}
	program, err := exec.LookPath(toolTrivy)
	if err != nil {
		result.unknown = "Trivy is not installed where the stage runs, so that the image was not scanned and has no list of its contents"
	} else if err := a.scan(ctx, program, b, made, &result); err != nil {
		return result, made, err
	}
	if how.earlier.revision != "" {
		return result, made, st.compare(made, a.task().Running, &result) // it lies where it belongs, with its list
	}
	if a.settings.SBOM && len(result.sboms) > 0 {
		if made, err = attach(made, a.settings.Repository, result.sboms); err != nil {
			return result, made, err
		}
	}
	dir, err := st.keep(made)
	if err != nil {
		return result, made, err
	}
	if made, err = openLayout(dir); err != nil {
		return result, made, err
	}
	return result, made, st.compare(made, a.task().Running, &result)
}

func (a *attempt) scan(ctx context.Context, program string, b building, made built, result *scanned) error {
	root, err := os.OpenRoot(a.s.Scratch())
	if err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	defer func() { _ = root.Close() }() // a folder, of which every file was closed
	s := &scanner{a: a, program: program, root: root}
	if err := s.quiet(); err != nil {
		return err
	}
	if s.db, err = s.refresh(ctx); err != nil {
		return err
	}
	result.db = s.db
	if s.db.updated.IsZero() {
		result.unknown = "There is no vulnerability database, and " + s.db.problem
		a.s.Log(result.unknown)
	}
	err = a.s.Step(ctx, "Scan the image", func(ctx context.Context) (string, error) {
		for _, one := range made.images {
			if err := s.image(ctx, b, made, one, result); err != nil {
				return "", err
			}
		}
		result.vulnerabilities = sorted(result.vulnerabilities)
		return result.title(), nil
	})
	if err != nil {
		return err
	}
	return a.s.Step(ctx, "Scan the Dockerfile", func(ctx context.Context) (string, error) {
		return s.dockerfile(ctx, b, result)
	})
}

// quiet makes files that say nothing in place of those that Trivy would look for in the checkout: a repository decides what
// is ignored, not how it is scanned.
func (s *scanner) quiet() error {
	for name, nothing := range map[string]string{"trivy.yaml": "{}\n", "trivy-secret.yaml": "{}\n", "trivyignore": ""} {
		if err := s.root.WriteFile(name, []byte(nothing), 0o644); err != nil {
			return fmt.Errorf("prepare the scan: %w", err)
		}
	}
	return nil
}

// common are the arguments of every call.
func (s *scanner) common(cache string) []string {
	return []string{
		"--cache-dir", cache, "--config", filepath.Join(s.a.s.Scratch(), "trivy.yaml"), "--no-progress", "--quiet",
		"--disable-telemetry", "--skip-version-check",
	}
}

// ignoreFile is the repository's own, where it has one.
func (s *scanner) ignoreFile() string {
	for _, name := range []string{".trivyignore.yaml", ".trivyignore"} {
		if file, err := s.a.inside(name); err == nil {
			return file
		}
	}
	return filepath.Join(s.a.s.Scratch(), "trivyignore")
}

func (s *scanner) arguments() []string {
	args := append(s.common(s.db.dir), "--format", "json", "--show-suppressed", "--ignorefile", s.ignoreFile(),
		"--secret-config", filepath.Join(s.a.s.Scratch(), "trivy-secret.yaml"), "--cache-backend", "memory", "--timeout", "30m")
	if s.a.settings.Scan.IgnoreUnfixed {
		args = append(args, "--ignore-unfixed")
	}
	return args
}

// image scans what one platform runs, by its digest.
func (s *scanner) image(ctx context.Context, b building, made built, one platformImage, result *scanned) error {
	view, err := s.view(made, one)
	if err != nil {
		return err
	}
	output := "trivy-" + one.digest.Hex[:12] + ".json"
	scanners := "secret"
	if !s.db.updated.IsZero() {
		scanners = "vuln,secret"
	}
	args := append([]string{s.program, "image", "--input", view, "--output", s.file(output), "--scanners", scanners, "--list-all-pkgs",
		"--skip-db-update", "--skip-java-db-update", "--skip-vex-repo-update", "--offline-scan"}, s.arguments()...)
	if err := s.run(ctx, args, result); err != nil {
		return err
	}
	if err := s.rename(output, view, made); err != nil {
		return err
	}
	r, err := readReport(s.root, output)
	if err != nil {
		return err
	}
	result.vulnerabilities = append(result.vulnerabilities, r.vulnerabilities()...)
	result.places = append(result.places, r.secrets(b.dockerfile, b.place.name)...)
	result.ignored += r.ignored()
	if os := r.Metadata.OS; os != nil && os.EOSL {
		result.notes = append(result.notes, fmt.Sprintf("%s %s is no longer supported: nobody looks for its vulnerabilities any more.", os.Family, os.Name))
	}
	if err := s.convert(ctx, output, "sarif", suffixed("trivy", made, one, ".sarif")); err != nil {
		return err
	}
	return s.bill(ctx, view, output, made, one, result)
}

// bill makes the list of what is in the image (SPDX). With a database it is made of the scan; without, of the image again.
func (s *scanner) bill(ctx context.Context, view, scanReport string, made built, one platformImage, result *scanned) error {
	if !s.a.settings.SBOM {
		return nil
	}
	name := suffixed("sbom", made, one, ".spdx.json")
	if s.db.updated.IsZero() {
		args := append([]string{s.program, "image", "--input", view, "--output", s.file(name), "--format", "spdx-json", "--cache-backend", "memory",
			"--skip-db-update", "--skip-java-db-update", "--offline-scan"}, s.common(s.db.dir)...)
		if err := s.run(ctx, args, result); err != nil {
			return err
		}
		if err := s.rename(name, view, made); err != nil {
			return err
		}
		s.keep(name)
	} else if err := s.convert(ctx, scanReport, "spdx-json", name); err != nil {
		return err
	}
	text, err := s.root.ReadFile(name)
	if err != nil || !json.Valid(text) {
		return fmt.Errorf("read the list of the image's contents: %w", errors.Join(err, errNoJSON))
	}
	result.sboms[one.digest.String()] = text
	return nil
}

var errNoJSON = errors.New("Trivy has written no JSON")

// rename lets a report speak of the image, where Trivy speaks of the folder that it was read from.
func (s *scanner) rename(name, view string, made built) error {
	text, err := s.root.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read Trivy's report: %w", err)
	}
	image := cmp.Or(s.a.settings.Repository, s.a.task().Trigger.Repository.Name) + "@" + made.digest.String()
	if err := s.root.WriteFile(name, bytes.ReplaceAll(text, []byte(view), []byte(image)), fileReadable); err != nil {
		return fmt.Errorf("write Trivy's report: %w", err)
	}
	return nil
}

// suffixed names a file of a platform, where there is more than one.
func suffixed(name string, made built, one platformImage, end string) string {
	if len(made.images) > 1 {
		name += "-" + strings.ReplaceAll(one.platform.String(), "/", "-")
	}
	return name + end
}

// convert writes a report in another form and keeps it as an artifact.
func (s *scanner) convert(ctx context.Context, from, format, to string) error {
	exit, err := s.a.s.Command(ctx, runner.Command{Args: []string{
		s.program, "convert", "--format", format, "--output", s.file(to), "--config", s.file("trivy.yaml"), "--quiet", s.file(from),
	}})
	if err != nil {
		return err
	}
	if !exit.OK() {
		return fmt.Errorf("write %s: trivy convert ended with exit code %d", to, exit.Code)
	}
	s.keep(to)
	return nil
}

// keep hands over a file as an artifact. One that cannot be kept is told, no more: the scan has its result.
func (s *scanner) keep(name string) {
	if err := s.a.s.Artifact(name, s.file(name)); err != nil {
		s.a.s.Log(err.Error())
	}
}

func (s *scanner) file(name string) string { return filepath.Join(s.a.s.Scratch(), name) }

// ofJava is what Trivy says when it meets Java archives and has no database to look them up in.
var ofJava = regexp.MustCompile(`(?i)java[ -]?db`)

// run runs a scan. Java archives need a database of their own, which is fetched only when an image has some.
func (s *scanner) run(ctx context.Context, args []string, result *scanned) error {
	java := false
	var said complaint
	call := func(args []string) (runner.Exit, error) {
		return s.a.s.Command(ctx, runner.Command{Args: args, Line: func(line string) {
			java = java || ofJava.MatchString(line)
			said.hear(line)
		}})
	}
	if s.noArchives {
		args = append(args, withoutArchives...)
	}
	exit, err := call(args)
	if err == nil && !exit.OK() && java && !s.noArchives {
		exit, err = s.java(call, args, result)
	}
	if err != nil {
		return err
	}
	if !exit.OK() {
		return fail("The image could not be scanned", fmt.Sprintf("Trivy ended with exit code %d: %s.", exit.Code, said))
	}
	return nil
}

// withoutArchives leaves out what needs the database of Java archives.
var withoutArchives = []string{"--skip-files", "**/*.jar", "--skip-files", "**/*.war", "--skip-files", "**/*.ear", "--skip-files", "**/*.par"} //nolint:gochecknoglobals // a constant list; Go has no constant slices

func (s *scanner) java(call func([]string) (runner.Exit, error), args []string, result *scanned) (runner.Exit, error) {
	exit, err := call(append([]string{s.program, "image", "--download-java-db-only"}, s.common(s.db.dir)...))
	if err != nil {
		return exit, err
	}
	if !exit.OK() {
		s.noArchives = true
		result.notes = append(result.notes, "Java archives in the image were not looked at: the database that names them could not be fetched.")
		args = append(args, withoutArchives...)
	}
	return call(args)
}

// view is a layout of one image alone, for Trivy takes the first it finds. Its blobs are those of the other.
func (s *scanner) view(made built, one platformImage) (string, error) {
	name := "scan-" + one.digest.Hex[:12]
	dir := s.file(name)
	if err := s.root.Mkdir(name, permissions); err != nil {
		return "", fmt.Errorf("prepare the scan: %w", err)
	}
	raw, err := one.image.RawManifest()
	if err != nil {
		return "", fmt.Errorf("prepare the scan: %w", err)
	}
	mediaType, err := one.image.MediaType()
	if err != nil {
		return "", fmt.Errorf("prepare the scan: %w", err)
	}
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, mediaType, one.digest, len(raw))
	err = errors.Join(
		s.root.WriteFile(name+"/oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), fileReadable),
		s.root.WriteFile(name+"/index.json", []byte(index), fileReadable),
		s.root.Symlink(filepath.Join(made.dir, "blobs"), name+"/blobs"),
	)
	if err != nil {
		return "", fmt.Errorf("prepare the scan: %w", err)
	}
	return dir, nil
}

// dockerfile looks for what is wrong with the Dockerfile itself. Trivy sees a copy under its usual name.
func (s *scanner) dockerfile(ctx context.Context, b building, result *scanned) (string, error) {
	const dir = "dockerfile"
	if err := errors.Join(s.root.Mkdir(dir, 0o755), s.root.WriteFile(dir+"/Dockerfile", b.place.text, 0o644)); err != nil {
		return "", fmt.Errorf("prepare the scan: %w", err)
	}
	const output = "trivy-dockerfile.json"
	// The checks are those that Trivy was made with: they need no network, and change with Trivy only.
	args := append([]string{s.program, "fs", "--output", s.file(output), "--scanners", "misconfig,secret", "--skip-check-update"}, s.arguments()...)
	if err := s.run(ctx, append(args, s.file(dir)), result); err != nil {
		return "", err
	}
	r, err := readReport(s.root, output)
	if err != nil {
		return "", err
	}
	found := r.remarks(b.dockerfile, b.place.name)
	result.places = append(result.places, found...)
	return report.Count(len(found), "remark"), nil
}

// complaint is what Trivy says of its failure: the line it marks as fatal, with the reasons it lists below it, else the first
// that says something.
type complaint struct {
	text  string
	fatal bool
}

func (c complaint) String() string {
	if c.text == "" {
		return "Trivy does not say why"
	}
	return clip(c.text, maxCell*2)
}

var (
	// marks are what Trivy puts before such a message.
	marks = regexp.MustCompile(`^.*\tFATAL\t(?:Fatal error\t)?(?:run error: )?`)
	// listed is how a message ends whose reasons follow, a line each.
	listed = regexp.MustCompile(`\d+ errors? occurred:$`)
)

func (c *complaint) hear(line string) {
	fatal := marks.FindString(line)
	line = strings.TrimSpace(line[len(fatal):])
	switch {
	case fatal != "":
		// Each of its parts has put its words before those of the one that failed: the last knows.
		*c = complaint{line[max(0, strings.LastIndex(line, "failed to")):], true}
	case c.fatal && strings.HasPrefix(line, "* "):
		if last := listed.FindString(c.text); last != "" {
			c.text = strings.TrimSuffix(c.text, last) + line[len("* "):]
		} else {
			c.text += "; " + line[len("* "):]
		}
	case line != "" && c.text == "":
		c.text = line
	}
}
