package report

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

// Coverage is a Cobertura report, file by file. Figures are counted from the lines: a class may be reported twice, and
// the rates in the attributes are rounded.
type Coverage struct {
	// Files are sorted by path.
	Files []FileCoverage
}

// FileCoverage are the executable lines of one file.
type FileCoverage struct {
	// Path is relative to the checkout where the file was found in it, else as the report has it.
	Path      string
	Covered   []int
	Uncovered []int
	// Branches counts the branches of the covered and uncovered lines; 0 when branches were not measured.
	Branches, CoveredBranches int
}

// Ratio is a share of a whole; without a whole it has no percentage.
type Ratio struct{ Covered, Total int }

// Percent is 0 to 100. Nothing to cover is fully covered.
func (r Ratio) Percent() float64 {
	if r.Total == 0 {
		return 100
	}
	return 100 * float64(r.Covered) / float64(r.Total)
}

// String has one decimal and is never rounded up: 79.96 against a minimum of 80 must not read 80.0.
func (r Ratio) String() string {
	if r.Total == 0 {
		return "–"
	}
	tenths := 1000 * int64(r.Covered) / int64(r.Total)
	return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
}

func (r Ratio) plus(other Ratio) Ratio {
	return Ratio{r.Covered + other.Covered, r.Total + other.Total}
}

// Lines is the line coverage of the file.
func (f FileCoverage) Lines() Ratio { return Ratio{len(f.Covered), len(f.Covered) + len(f.Uncovered)} }

// Total is what coverage.py prints: lines, and branches beside them where they were measured.
func (f FileCoverage) Total() Ratio {
	return f.Lines().plus(Ratio{f.CoveredBranches, f.Branches})
}

// Lines is the line coverage of everything.
func (c Coverage) Lines() Ratio { return c.sum(FileCoverage.Lines) }

// Branches is the branch coverage of everything.
func (c Coverage) Branches() Ratio {
	return c.sum(func(f FileCoverage) Ratio { return Ratio{f.CoveredBranches, f.Branches} })
}

// Total is the figure of `coverage report`, and what a minimum is held against.
func (c Coverage) Total() Ratio { return c.sum(FileCoverage.Total) }

func (c Coverage) sum(of func(FileCoverage) Ratio) Ratio {
	var total Ratio
	for _, f := range c.Files {
		total = total.plus(of(f))
	}
	return total
}

// ReadCobertura reads a report of coverage.py, JaCoCo converters, gcovr, gocover-cobertura and their like. dir is the
// checkout's absolute path: the names in the report are relative to its <source> folders, which may be absolute.
func ReadCobertura(r io.Reader, dir string, exists Exists) (Coverage, error) {
	p := coberturaParser{files: map[string]*lines{}}
	if err := (walker{start: p.start, end: p.end, text: p.chars}).walk(r); err != nil {
		return Coverage{}, fmt.Errorf("Cobertura report: %w", err) // Cobertura is a name
	}
	return p.coverage(dir, exists), nil
}

// Merge adds the files of another report; lines of a file in both are covered when either covers them.
func (c *Coverage) Merge(other Coverage) {
	files := map[string]*lines{}
	for _, f := range slices.Concat(c.Files, other.Files) {
		into(files, f.Path).add(f)
	}
	c.Files = sorted(files)
}

// lines collects what is said about one file.
type lines struct {
	hits     map[int]bool
	branches map[int]Ratio
}

func into(files map[string]*lines, name string) *lines {
	if files[name] == nil {
		files[name] = &lines{hits: map[int]bool{}, branches: map[int]Ratio{}}
	}
	return files[name]
}

func (l *lines) add(f FileCoverage) {
	for _, n := range f.Covered {
		l.hits[n] = true
	}
	for _, n := range f.Uncovered {
		if !l.hits[n] { // known from now on, and still uncovered
			l.hits[n] = false
		}
	}
	if f.Branches > 0 {
		// Which lines they belong to is no longer known; the better of two readings counts.
		if f.CoveredBranches >= l.branches[0].Covered {
			l.branches[0] = Ratio{f.CoveredBranches, f.Branches}
		}
	}
}

func (l *lines) file(name string) FileCoverage {
	f := FileCoverage{Path: name}
	for _, n := range slices.Sorted(maps.Keys(l.hits)) {
		if l.hits[n] {
			f.Covered = append(f.Covered, n)
		} else {
			f.Uncovered = append(f.Uncovered, n)
		}
	}
	for _, b := range l.branches {
		f.Branches += b.Total
		f.CoveredBranches += b.Covered
	}
	return f
}

func sorted(files map[string]*lines) []FileCoverage {
	result := make([]FileCoverage, 0, len(files))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		result = append(result, files[name].file(name))
	}
	return result
}

type coberturaParser struct {
	sources []string
	files   map[string]*lines
	open    *lines
	count   int
}

func (p *coberturaParser) start(path []string, element xml.StartElement) error {
	name := element.Name.Local
	if len(path) == 1 && name != "coverage" {
		return fmt.Errorf("<%s> is not a Cobertura report", clip(name, maxName))
	}
	switch name {
	case "class":
		file := clip(attribute(element, "filename"), maxName)
		if len(p.files) == maxFiles && p.files[file] == nil {
			return fmt.Errorf("more than %d files", maxFiles)
		}
		p.open = into(p.files, file)
	case "line":
		if p.open == nil {
			return nil
		}
		if p.count++; p.count > maxLines {
			return fmt.Errorf("more than %d lines", maxLines)
		}
		p.line(element)
	}
	return nil
}

func (p *coberturaParser) line(element xml.StartElement) {
	n := number(attribute(element, "number"))
	if n == 0 {
		return
	}
	hit := strings.TrimLeft(strings.TrimSpace(attribute(element, "hits")), "0") != ""
	p.open.hits[n] = p.open.hits[n] || hit
	if attribute(element, "branch") != "true" {
		return
	}
	// condition-coverage="50% (1/2)"
	_, inside, _ := strings.Cut(attribute(element, "condition-coverage"), "(")
	covered, total, found := strings.Cut(strings.TrimSuffix(inside, ")"), "/")
	if b := (Ratio{number(covered), number(total)}); found && b.Total <= maxCases && b.Covered <= b.Total {
		if have := p.open.branches[n]; b.Covered >= have.Covered {
			p.open.branches[n] = b
		}
	}
}

func (p *coberturaParser) chars(path []string, text string) {
	if path[len(path)-1] == "source" && len(p.sources) < 100 {
		if text = strings.TrimSpace(text); text != "" {
			p.sources = append(p.sources, clip(text, maxName))
		}
	}
}

func (p *coberturaParser) end(path []string) error {
	if path[len(path)-1] == "class" {
		p.open = nil
	}
	return nil
}

func (p *coberturaParser) coverage(dir string, exists Exists) Coverage {
	placed := map[string]*lines{}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		l := p.files[name]
		target := into(placed, p.place(name, dir, exists))
		for n, hit := range l.hits {
			target.hits[n] = target.hits[n] || hit
		}
		for n, b := range l.branches {
			if b.Covered >= target.branches[n].Covered {
				target.branches[n] = b
			}
		}
	}
	return Coverage{Files: sorted(placed)}
}

// place finds the file of the checkout a name means: relative to a source folder, then as it stands.
func (p *coberturaParser) place(name, dir string, exists Exists) string {
	for _, source := range p.sources {
		candidate := relative(path.Join(source, name), dir)
		if path.IsAbs(name) {
			candidate = relative(name, dir)
		}
		if exists.holds(candidate) {
			return clean(candidate)
		}
	}
	if candidate := relative(name, dir); exists.holds(candidate) {
		return clean(candidate)
	}
	return name
}

// ErrNoCoverage says that a report names no executable line: nothing was imported while it was measured.
var ErrNoCoverage = errors.New("the coverage report holds no executable line")
