package report

import (
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/golden"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestSections(t *testing.T) {
	tests, err := ReadJUnit(open(t, "pytest.xml"))
	if err != nil {
		t.Fatal(err)
	}
	coverage, err := ReadCobertura(open(t, "coverage.xml"), "/work/shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	findings, _, err := ReadSARIF(open(t, "scanner.sarif"), "/work/shop")
	if err != nil {
		t.Fatal(err)
	}
	failures, _ := tests.FailuresSection("", nil)
	changed, _ := coverage.Changed(Changes{"shop/cart.py": {{10, 19}}}).Section()
	listed, _ := FindingsSection("Scanner", findings)
	golden.EqualJSON(t, "testdata/sections.golden.json", []pipeline.Section{tests.Section(), failures, coverage.Section(), changed, listed})
}

func TestSlowestSectionNeedsSomethingSlow(t *testing.T) {
	var tests Tests
	tests.add(Case{Name: "quick", Duration: time.Millisecond})
	if _, some := tests.SlowestSection(); some {
		t.Error("a quick test is listed as slow")
	}
	tests.add(Case{Name: "slow", Duration: 3 * time.Minute})
	if section, some := tests.SlowestSection(); !some || section.Table.Rows[0][1] != "3m 0s" {
		t.Errorf("slowest = %+v, %v", section, some)
	}
}
