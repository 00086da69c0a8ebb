package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestReadJUnitOfPytest(t *testing.T) {
	tests, err := ReadJUnit(open(t, "pytest.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [...]int{tests.Total, tests.Passed(), tests.Failed, tests.Errors, tests.Skipped}, [...]int{7, 3, 2, 1, 1}; got != want {
		t.Errorf("total, passed, failed, errors, skipped = %v, want %v", got, want)
	}
	type spot struct {
		ID, File string
		Line     int
		Reason   string
	}
	var got []spot
	for _, c := range tests.Failures {
		file, line := c.Locate("", nil)
		got = append(got, spot{c.ID(), file, line, c.Reason()})
	}
	want := []spot{
		{"tests.test_cart.TestAdd.test_total", "tests/test_cart.py", 14, "assert 5.0 == 6"},
		{"tests.test_cart.TestAdd.test_refuses_zero", "shop/cart.py", 10, "ValueError: count must be positive"},
		{"tests.test_cart.test_till", "tests/test_cart.py", 28, `failed on setup with "RuntimeError: no till: <&> #x1B[31m"`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLocateKeepsToFilesOfTheCheckout(t *testing.T) {
	tests, err := ReadJUnit(open(t, "pytest.xml"))
	if err != nil {
		t.Fatal(err)
	}
	onlyTests := func(name string) bool { return name == "tests/test_cart.py" }
	file, line := tests.Failures[1].Locate("", onlyTests)
	if file != "tests/test_cart.py" || line != 18 {
		t.Errorf("Locate = %s:%d, want the deepest frame that exists, tests/test_cart.py:18", file, line)
	}
	if file, line := tests.Failures[1].Locate("", func(string) bool { return false }); file != "" || line != 0 {
		t.Errorf("Locate = %s:%d although nothing exists", file, line)
	}
}

func TestLocatePlaces(t *testing.T) {
	for name, test := range map[string]struct {
		c    Case
		dir  string
		file string
		line int
	}{
		"absolute frames are taken home":  {Case{Trace: "/work/a/app.py:3: ValueError"}, "/work/a", "app.py", 3},
		"outside the checkout":            {Case{Trace: "../x.py:3: ValueError\n/etc/x.py:9: E", Class: ""}, "/work/a", "", 0},
		"python traceback":                {Case{Trace: "  File \"/work/a/app.py\", line 8\n    def x(:\nSyntaxError"}, "/work/a", "app.py", 8},
		"libraries are passed over":       {Case{Trace: "app.py:3: in f\n.venv/lib/python3.13/site-packages/x.py:7: ValueError"}, "", "app.py", 3},
		"attributes of xunit1":            {Case{File: "tests/test_a.py", Line: 4, Message: "no"}, "", "tests/test_a.py", 4},
		"the class says which file":       {Case{Class: "tests.test_a.TestB", Name: "c"}, "", "tests/test_a/TestB.py", 0},
		"go":                              {Case{Trace: "    shop_test.go:12: got 1"}, "", "shop_test.go", 12},
		"a line number that is no number": {Case{Trace: "app.py:99999999999999: E"}, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if file, line := test.c.Locate(test.dir, nil); file != test.file || line != test.line {
				t.Errorf("Locate = %q:%d, want %q:%d", file, line, test.file, test.line)
			}
		})
	}
}

func TestReadJUnitOfSurefire(t *testing.T) {
	tests, err := ReadJUnit(open(t, "surefire.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [...]int{tests.Total, tests.Failed, tests.Errors, tests.Skipped}, [...]int{4, 1, 1, 1}; got != want {
		t.Errorf("total, failed, errors, skipped = %v, want %v", got, want)
	}
	if got := tests.Slowest[0]; got.Name != "sells" || got.Duration != 1200500*time.Millisecond {
		t.Errorf("slowest = %s %s", got.Name, got.Duration)
	}
	exists := func(name string) bool { return name == "src/test/java/com/acme/ShopTest.java" }
	for i, want := range []int{42, 51} {
		if file, line := tests.Failures[i].Locate("", exists); line != want || !exists(file) {
			t.Errorf("%s is at %s:%d, want line %d", tests.Failures[i].Name, file, line, want)
		}
	}
}

func TestReadJUnitRefuses(t *testing.T) {
	deep := strings.Repeat("<testsuite>", maxDepth+1)
	for name, test := range map[string]struct{ text, message string }{
		"nothing":           {"", "holds no element"},
		"other XML":         {"<html></html>", "not a JUnit report"},
		"half a file":       {"<testsuite><testcase>", "ends inside <testcase>"},
		"crossed elements":  {"<testsuite><testcase></testsuite></testcase>", "closes nothing"},
		"depth":             {deep, "nested deeper"},
		"external entity":   {`<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite name="&x;"/>`, "invalid character entity"},
		"exploding entity":  {`<!DOCTYPE t [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>`, "invalid character entity"},
		"another charset":   {`<?xml version="1.0" encoding="utf-16"?><testsuite/>`, "utf-16"},
		"too many cases":    {"<testsuite>" + strings.Repeat("<testcase/>", maxCases+1), "more than 200000"},
		"not XML in a file": {"PK\x03\x04", "illegal character"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadJUnit(strings.NewReader(test.text))
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("error = %v, want %q", err, test.message)
			}
		})
	}
}

type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat(e.text, len(p)/len(e.text))), nil
}

func TestReadersStopAtTheirBound(t *testing.T) {
	if _, err := ReadJUnit(endless{"<!-- x -->"}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("JUnit: %v", err)
	}
	if _, _, err := ReadSARIF(endless{" "}, ""); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("SARIF: %v", err)
	}
}

func TestTestsMergeKeepsTheSlowestInOrder(t *testing.T) {
	var tests, other Tests
	for i := range 15 {
		tests.add(Case{Name: "a", Duration: time.Duration(i) * time.Second, Outcome: OutcomePassed})
		other.add(Case{Name: "b", Duration: time.Duration(i) * time.Second, Outcome: OutcomeFailed})
	}
	tests.Merge(other)
	if len(tests.Slowest) != maxSlowest || tests.Slowest[0].Name != "a" || tests.Slowest[1].Name != "b" || tests.Slowest[9].Duration != 10*time.Second {
		t.Errorf("slowest = %v", tests.Slowest)
	}
	if tests.Total != 30 || tests.Failed != 15 || len(tests.Failures) != 15 {
		t.Errorf("merged: %d, %d failed, %d kept", tests.Total, tests.Failed, len(tests.Failures))
	}
}

func TestOpenRefusesLinksPipesAndFolders(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret.xml")
	if err := os.WriteFile(outside, []byte("<testsuite/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.xml")); err != nil {
		t.Fatal(err)
	}
	if err := mkfifo(filepath.Join(dir, "pipe.xml")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "good.xml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	for _, name := range []string{"link.xml", "pipe.xml", ".", "../" + filepath.Base(dir) + "/good.xml"} {
		if f, err := Open(root, name); err == nil {
			_ = f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	f, err := Open(root, "good.xml")
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}
