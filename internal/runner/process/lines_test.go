package process_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slipwayhq/slipway/internal/runner/process"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", process.MaxLine)
	tests := map[string]struct {
		writes []string
		want   []string
	}{
		"lines over writes":            {[]string{"on", "e\ntw", "o\n", "\nthree"}, []string{"one", "two", "", "three"}},
		"line ends of windows":         {[]string{"one\r\ntwo\r", "\n"}, []string{"one", "two"}},
		"progress":                     {[]string{"10%\r20%", "\r100%\n", "done\n"}, []string{"100%", "done"}},
		"progress that is wiped":       {[]string{"10%\r100%\r    \r\nnext\n"}, []string{"100%", "next"}},
		"progress without a line end":  {[]string{"10%\r20%\r"}, []string{"20%"}},
		"invalid text":                 {[]string{"a\xff\xfeb\n"}, []string{"a\uFFFDb"}},
		"character over two writes":    {[]string{"w\xc3", "\xb6rd\n"}, []string{"wörd"}},
		"long line":                    {[]string{long + "yz\n"}, []string{long, "yz"}},
		"cut between whole characters": {[]string{long[1:] + "ö!\n"}, []string{long[1:], "ö!"}},
		"nothing":                      {nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			l := process.NewLines(func(line string) { got = append(got, line) })
			for _, w := range test.writes {
				if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
		})
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\rb\nc\xff"), 2)
	f.Add([]byte(strings.Repeat("\xff", process.MaxLine+5)), 100)
	f.Fuzz(func(t *testing.T, data []byte, split int) {
		split = max(1, split)
		l := process.NewLines(func(line string) {
			if len(line) > process.MaxLine || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n") {
				t.Fatalf("line of %d bytes: %.60q", len(line), line)
			}
		})
		for rest := data; len(rest) > 0; rest = rest[min(split, len(rest)):] {
			if _, err := l.Write(rest[:min(split, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
