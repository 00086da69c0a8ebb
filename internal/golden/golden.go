// Package golden holds what people read against the files of the tests.
package golden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Update is the environment variable that has the files written anew: `make golden` sets it. A flag would be unknown to
// the tests of packages that have no such files.
const Update = "UPDATE_GOLDEN"

// Equal compares a text with a file, "testdata/help.md". What is written anew is to be looked at before it is committed.
func Equal(tb testing.TB, file, got string) {
	tb.Helper()
	if os.Getenv(Update) != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // files of the project
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // files of the project
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file) //nolint:gosec // a file of the test
	if err != nil {
		tb.Fatalf("%v (make golden writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		tb.Errorf("%s differs; where that is meant, make golden writes it anew\n%s", file, diff)
	}
}

// EqualJSON compares a value's JSON with a file.
func EqualJSON(tb testing.TB, file string, value any) {
	tb.Helper()
	var got bytes.Buffer
	encoder := json.NewEncoder(&got)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		tb.Fatal(err)
	}
	Equal(tb, file, got.String())
}
