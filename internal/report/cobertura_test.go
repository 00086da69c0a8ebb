package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadCoberturaOfCoveragePy(t *testing.T) {
	coverage, err := ReadCobertura(open(t, "coverage.xml"), "/work", func(name string) bool { return strings.HasPrefix(name, "shop/") })
	if err != nil {
		t.Fatal(err)
	}
	if got, want := coverage.Lines(), (Ratio{35, 38}); got != want {
		t.Errorf("lines = %v, want %v", got, want)
	}
	// coverage.py printed 90 % for it: 35 of 38 lines and 3 of 4 branches.
	if got := coverage.Total(); got != (Ratio{38, 42}) || got.String() != "90.4 %" {
		t.Errorf("total = %v, %s", got, got)
	}
	var names []string
	for _, f := range coverage.Files {
		names = append(names, f.Path)
	}
	if diff := cmp.Diff([]string{"shop/shop/__init__.py", "shop/shop/cart.py", "shop/tests/__init__.py", "shop/tests/test_cart.py"}, names); diff != "" {
		t.Error(diff)
	}
}

const twoReadings = `<coverage><sources><source>src</source></sources><packages><package><classes>
<class name="A" filename="a.py"><lines><line number="1" hits="0"/><line number="2" hits="3" branch="true" condition-coverage="50% (1/2)"/></lines></class>
<class name="A$B" filename="a.py"><lines><line number="1" hits="1"/><line number="3" hits="00"/><line number="0" hits="1"/><line number="-4" hits="1"/>
<line number="2" hits="1" branch="true" condition-coverage="100% (2/2)"/><line number="9" hits="1" branch="true" condition-coverage="(7/2)"/></lines></class>
</classes></package></packages></coverage>`

func TestReadCoberturaJoinsReadingsOfOneFile(t *testing.T) {
	coverage, err := ReadCobertura(strings.NewReader(twoReadings), "/work", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []FileCoverage{{Path: "src/a.py", Covered: []int{1, 2, 9}, Uncovered: []int{3}, Branches: 2, CoveredBranches: 2}}
	if diff := cmp.Diff(want, coverage.Files); diff != "" {
		t.Error(diff)
	}
}

func TestCoverageMerge(t *testing.T) {
	coverage := Coverage{Files: []FileCoverage{{Path: "b", Covered: []int{1}, Uncovered: []int{2, 3}, Branches: 4, CoveredBranches: 1}}}
	coverage.Merge(Coverage{Files: []FileCoverage{{Path: "b", Covered: []int{2}, Uncovered: []int{1, 3}, Branches: 4, CoveredBranches: 2}, {Path: "a", Covered: []int{1}}}})
	want := []FileCoverage{{Path: "a", Covered: []int{1}}, {Path: "b", Covered: []int{1, 2}, Uncovered: []int{3}, Branches: 4, CoveredBranches: 2}}
	if diff := cmp.Diff(want, coverage.Files); diff != "" {
		t.Error(diff)
	}
}

func TestRatioIsNeverRoundedUp(t *testing.T) {
	for _, test := range []struct {
		r    Ratio
		want string
	}{{Ratio{7999, 10000}, "79.9 %"}, {Ratio{9999, 10000}, "99.9 %"}, {Ratio{1, 1}, "100.0 %"}, {Ratio{0, 3}, "0.0 %"}, {Ratio{}, "–"}} {
		if got := test.r.String(); got != test.want {
			t.Errorf("%v = %s, want %s", test.r, got, test.want)
		}
	}
}

func TestChangedLines(t *testing.T) {
	coverage := Coverage{Files: []FileCoverage{
		{Path: "a.py", Covered: []int{1, 2, 8}, Uncovered: []int{3, 4, 6, 9, 20}},
		{Path: "b.py", Covered: []int{1}},
		{Path: "c.py", Uncovered: []int{1}},
	}}
	changed := coverage.Changed(Changes{"a.py": {{2, 9}, {15, 16}}, "b.py": {{1, 1}}, "d.md": {{1, 50}}})
	want := ChangedCoverage{
		Files: []ChangedFile{
			{Path: "a.py", Lines: Ratio{2, 6}, Uncovered: []Range{{3, 6}, {9, 9}}},
			{Path: "b.py", Lines: Ratio{1, 1}},
		},
		Total: Ratio{3, 7},
	}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Error(diff)
	}
	findings := changed.Findings(1)
	if len(findings) != 1 || findings[0].Message != "Lines 3 to 6 are new and no test runs them." || findings[0].EndLine != 6 {
		t.Errorf("findings = %+v", findings)
	}
	if _, some := coverage.Changed(nil).Section(); some {
		t.Error("a section without a changed line")
	}
}
