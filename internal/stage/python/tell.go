package python

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// uncoveredNotices is how many spans of new, untested lines are marked in the diff.
const uncoveredNotices = 30

// tell turns the outcome into sections, findings, outputs and artifacts.
func (a *attempt) tell(result *outcome) {
	if result.reported {
		a.tellTests(result.tests)
	}
	if result.coverage != nil {
		a.tellCoverage(result)
	}
	if len(result.problems) > 0 {
		a.s.Section(pipeline.Section{Title: "Reports", Text: strings.Join(result.problems, "\n\n")})
	}
	a.s.Section(pipeline.Section{Title: "Environment", Folded: true, Text: fmt.Sprintf("Python %s, %s.",
		a.env.Interpreter.Version, report.Count(a.env.Packages, "package"))})
	a.keep()
}

func (a *attempt) tellTests(tests report.Tests) {
	a.s.Section(tests.Section())
	if section, some := tests.FailuresSection(a.s.Dir(), a.exists); some {
		a.s.Section(section)
	}
	for _, finding := range tests.Findings("pytest", a.s.Dir(), a.exists) {
		a.s.Finding(finding)
	}
	if section, some := tests.SlowestSection(); some {
		a.s.Section(section)
	}
	a.s.Output("tests", fmt.Sprint(tests.Total))
}

func (a *attempt) tellCoverage(result *outcome) {
	a.s.Section(result.coverage.Section())
	a.s.Output("coverage", fmt.Sprintf("%.2f", result.coverage.Total().Percent()))
	result.changed = result.coverage.Changed(a.changes)
	if section, some := result.changed.Section(); some {
		a.s.Section(section)
	}
	for _, finding := range result.changed.Findings(uncoveredNotices) {
		a.s.Finding(finding)
	}
}

// keep hands over the reports as artifacts, those that were written. One that cannot be kept is told, no more: the tests
// have run and their verdict stands.
func (a *attempt) keep() {
	for _, name := range []string{junitFile, coverageFile} {
		path := filepath.Join(a.s.Scratch(), name)
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := a.s.Artifact(name, path); err != nil {
			a.s.Log(err.Error())
		}
	}
	if err := a.keepHTML(); err != nil {
		a.s.Log(err.Error())
	}
}

func (a *attempt) keepHTML() error {
	scratch, err := os.OpenRoot(a.s.Scratch())
	if err != nil {
		return fmt.Errorf("open the scratch folder: %w", err)
	}
	defer func() { _ = scratch.Close() }() // a folder opened for reading
	folder, err := scratch.OpenRoot(htmlFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the HTML report: %w", err)
	}
	defer func() { _ = folder.Close() }() // likewise
	archive := filepath.Join(a.s.Scratch(), htmlFolder+".zip")
	if err := pack(folder, archive); err != nil {
		return fmt.Errorf("pack the HTML report: %w", err)
	}
	return a.s.Artifact(htmlFolder+".zip", archive)
}

// Bounds of the HTML report.
const (
	maxHTMLFiles = 20_000
	maxHTMLBytes = 256 << 20
)

// pack writes the regular files of a folder into a zip file. Links and pipes stay behind.
func pack(folder *os.Root, archive string) (err error) {
	out, err := os.OpenFile(archive, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // made anew, never through a link
	if err != nil {
		return err
	}
	w := zip.NewWriter(out)
	defer func() { err = errors.Join(err, w.Close(), out.Close()) }()
	files, left := 0, int64(maxHTMLBytes)
	return fs.WalkDir(folder.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == ".gitignore" {
			return err
		}
		if files++; files > maxHTMLFiles {
			return fmt.Errorf("more than %d files", maxHTMLFiles)
		}
		n, err := add(w, folder, name, left)
		left -= n
		return err
	})
}

func add(w *zip.Writer, folder *os.Root, name string, left int64) (n int64, err error) {
	in, err := report.Open(folder, filepath.FromSlash(name))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	to, err := w.Create(name)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(to, io.LimitReader(in, left+1))
	if err == nil && n > left {
		err = fmt.Errorf("more than %d MiB", maxHTMLBytes>>20)
	}
	return n, err
}
