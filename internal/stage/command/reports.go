package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

// maxReports bounds how many files one kind of report may have: surefire writes one a class.
const maxReports = 2000

const uncoveredNotices = 30

// reader gathers what the reports of a stage hold.
type reader struct {
	s        runner.Session
	problems []string
}

// readReports turns the files named by `reports` into figures, sections and findings. A report that is missing or broken is
// told; it does not change the verdict, for the commands decide that.
func readReports(ctx context.Context, s runner.Session, changes report.Changes, verdict *pipeline.Verdict) {
	r := reader{s: s}
	reports := s.Task().Stage.Reports
	var figures []string
	if len(reports.JUnit) > 0 {
		figures = append(figures, r.junit(ctx, reports.JUnit)...)
	}
	if len(reports.Cobertura) > 0 {
		figures = append(figures, r.cobertura(ctx, reports.Cobertura, changes)...)
	}
	if len(reports.SARIF) > 0 {
		figures = append(figures, r.sarif(ctx, reports.SARIF)...)
	}
	if len(r.problems) > 0 {
		s.Section(pipeline.Section{Title: "Reports", Text: strings.Join(r.problems, "\n\n")})
	}
	if len(figures) > 0 {
		verdict.Title = strings.Join(append([]string{verdict.Title}, figures...), ", ")
	}
}

func (r *reader) junit(ctx context.Context, patterns []string) []string {
	var tests report.Tests
	found := r.each(ctx, "JUnit", patterns, func(f *os.File) error {
		one, err := report.ReadJUnit(f)
		if err == nil {
			tests.Merge(one)
		}
		return err
	})
	if !found {
		return nil
	}
	r.s.Section(tests.Section())
	if section, some := tests.FailuresSection(r.s.Dir(), r.exists); some {
		r.s.Section(section)
	}
	if section, some := tests.SlowestSection(); some {
		r.s.Section(section)
	}
	for _, finding := range tests.Findings("tests", r.s.Dir(), r.exists) {
		r.s.Finding(finding)
	}
	figures := []string{report.Count(tests.Total, "test")}
	if tests.Broken() > 0 {
		figures = append(figures, fmt.Sprintf("%d failed", tests.Broken()))
	}
	return figures
}

func (r *reader) cobertura(ctx context.Context, patterns []string, changes report.Changes) []string {
	var coverage report.Coverage
	found := r.each(ctx, "Cobertura", patterns, func(f *os.File) error {
		one, err := report.ReadCobertura(f, r.s.Dir(), r.exists)
		if err == nil {
			coverage.Merge(one)
		}
		return err
	})
	if !found || coverage.Lines().Total == 0 {
		return nil
	}
	r.s.Section(coverage.Section())
	changed := coverage.Changed(changes)
	if section, some := changed.Section(); some {
		r.s.Section(section)
	}
	for _, finding := range changed.Findings(uncoveredNotices) {
		r.s.Finding(finding)
	}
	return []string{"coverage " + coverage.Total().String()}
}

func (r *reader) sarif(ctx context.Context, patterns []string) []string {
	var findings []pipeline.Finding
	dropped := 0
	found := r.each(ctx, "SARIF", patterns, func(f *os.File) error {
		some, more, err := report.ReadSARIF(f, r.s.Dir())
		room := max(pipeline.MaxFindings-len(findings), 0)
		dropped += more + max(len(some)-room, 0)
		findings = append(findings, some[:min(room, len(some))]...)
		return err
	})
	if !found {
		return nil
	}
	for _, finding := range findings {
		r.s.Finding(finding)
	}
	if section, some := report.FindingsSection("Findings", findings); some {
		r.s.Section(section)
	}
	return []string{report.Count(len(findings)+dropped, "finding")}
}

// each reads every file that matches; false when none could be read.
func (r *reader) each(ctx context.Context, kind string, patterns []string, read func(*os.File) error) bool {
	names, err := match(ctx, r.s.Root(), patterns, maxReports)
	if err != nil {
		r.problems = append(r.problems, fmt.Sprintf("Not all %s reports were read: %v.", kind, err))
	}
	if len(names) == 0 {
		r.problems = append(r.problems, fmt.Sprintf("No file matches the %s reports %s.", kind, strings.Join(patterns, ", ")))
	}
	good := 0
	for _, name := range names {
		f, err := report.Open(r.s.Root(), filepath.FromSlash(name))
		if err == nil {
			err = errors.Join(read(f), f.Close())
		}
		if err != nil {
			r.problems = append(r.problems, fmt.Sprintf("%s cannot be used: %v.", name, err))
			continue
		}
		good++
	}
	return good > 0
}

func (r *reader) exists(name string) bool {
	info, err := r.s.Root().Stat(filepath.FromSlash(name))
	return err == nil && info.Mode().IsRegular()
}

// maxVisited bounds a walk through a checkout.
const maxVisited = 1_000_000

// match lists the files of the checkout that match any pattern, in the order of the walk, at most n. Links are not followed.
func match(ctx context.Context, root *os.Root, patterns []string, n int) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	visited := 0
	for _, pattern := range patterns {
		pattern = path.Clean(pattern)
		if !doublestar.ValidatePattern(pattern) {
			return names, fmt.Errorf("%s: %w", pattern, doublestar.ErrBadPattern)
		}
		base, _ := doublestar.SplitPattern(pattern)
		err := fs.WalkDir(root.FS(), base, func(name string, entry fs.DirEntry, err error) error {
			if visited++; visited > maxVisited {
				return errors.New("the checkout holds too many files")
			}
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
				return nil
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == ".git" && name != base:
				return fs.SkipDir
			case !entry.Type().IsRegular() || seen[name]:
				return nil
			}
			ok, err := doublestar.Match(pattern, name)
			if err != nil || !ok {
				return err
			}
			if len(names) == n {
				return fmt.Errorf("more than %d files match", n)
			}
			seen[name] = true
			names = append(names, name)
			return nil
		})
		if err != nil {
			return names, err
		}
	}
	return names, nil
}
