package report

import (
	"cmp"
	"slices"
)

// Range is a span of lines, both ends included, counted from 1.
type Range struct{ From, To int }

// Changes are the lines a commit adds or alters, by path relative to the checkout.
type Changes map[string][]Range

// ChangedFile is what the tests ran of one file's changed lines. Lines that hold no code do not count.
type ChangedFile struct {
	Path      string
	Lines     Ratio
	Uncovered []Range
}

// ChangedCoverage is the coverage of the changed lines.
type ChangedCoverage struct {
	// Files hold at least one changed executable line; the least covered come first.
	Files []ChangedFile
	Total Ratio
}

// Changed is the coverage of the changed lines alone: what a reviewer can still do something about.
func (c Coverage) Changed(changes Changes) ChangedCoverage {
	var result ChangedCoverage
	for _, f := range c.Files {
		ranges := changes[f.Path]
		if len(ranges) == 0 {
			continue
		}
		covered, uncovered := within(f.Covered, ranges), within(f.Uncovered, ranges)
		lines := Ratio{len(covered), len(covered) + len(uncovered)}
		if lines.Total == 0 {
			continue
		}
		result.Files = append(result.Files, ChangedFile{Path: f.Path, Lines: lines, Uncovered: spans(uncovered, covered)})
		result.Total = result.Total.plus(lines)
	}
	slices.SortStableFunc(result.Files, func(a, b ChangedFile) int {
		return cmp.Or(cmp.Compare(a.Lines.Percent(), b.Lines.Percent()), cmp.Compare(a.Path, b.Path))
	})
	return result
}

func within(lines []int, ranges []Range) []int {
	var inside []int
	for _, n := range lines {
		if slices.ContainsFunc(ranges, func(r Range) bool { return r.From <= n && n <= r.To }) {
			inside = append(inside, n)
		}
	}
	return inside
}

// spans joins lines to ranges. Lines without code between two uncovered ones belong to the span; a covered one ends it.
func spans(uncovered, covered []int) []Range {
	var result []Range
	for _, n := range uncovered {
		last := len(result) - 1
		if last >= 0 && !anyBetween(covered, result[last].To, n) && n-result[last].To <= 3 {
			result[last].To = n
			continue
		}
		result = append(result, Range{n, n})
	}
	return result
}

func anyBetween(lines []int, from, to int) bool {
	at, _ := slices.BinarySearch(lines, from)
	return at < len(lines) && lines[at] < to
}

// UncoveredSpans are the uncovered lines of a file as ranges.
func (f FileCoverage) UncoveredSpans() []Range { return spans(f.Uncovered, f.Covered) }
