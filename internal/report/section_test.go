package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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
	golden(t, "sections.golden.json", []pipeline.Section{tests.Section(), failures, coverage.Section(), changed, listed})
}

func golden(t *testing.T, name string, value any) {
	t.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
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
