package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func seed(f *testing.F, names ...string) {
	f.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
}

func checkFindings(t *testing.T, findings []pipeline.Finding) {
	t.Helper()
	for _, finding := range findings {
		if strings.HasPrefix(finding.Path, "/") || strings.HasPrefix(finding.Path, "..") {
			t.Errorf("finding outside the checkout: %q", finding.Path)
		}
		if finding.Message == "" || finding.Line < 0 || finding.EndLine < finding.Line {
			t.Errorf("finding that GitHub refuses: %+v", finding)
		}
	}
}

func FuzzReadJUnit(f *testing.F) {
	seed(f, "pytest.xml", "surefire.xml")
	f.Fuzz(func(t *testing.T, text []byte) {
		tests, err := ReadJUnit(bytes.NewReader(text))
		if err != nil {
			return
		}
		if tests.Passed() < 0 {
			t.Errorf("%d passed", tests.Passed())
		}
		checkFindings(t, tests.Findings("pytest", "/work", nil))
		tests.Section()
		tests.FailuresSection("/work", nil)
	})
}

func FuzzReadCobertura(f *testing.F) {
	seed(f, "coverage.xml")
	f.Add([]byte(twoReadings))
	f.Fuzz(func(t *testing.T, text []byte) {
		coverage, err := ReadCobertura(bytes.NewReader(text), "/work", nil)
		if err != nil {
			return
		}
		if p := coverage.Total().Percent(); !(p >= 0 && p <= 100) {
			t.Errorf("%v %%", p)
		}
		coverage.Section()
	})
}

func FuzzReadSARIF(f *testing.F) {
	seed(f, "scanner.sarif")
	f.Fuzz(func(t *testing.T, text []byte) {
		findings, _, err := ReadSARIF(bytes.NewReader(text), "/work")
		if err == nil {
			checkFindings(t, findings)
		}
	})
}
