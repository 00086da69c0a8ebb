package handlers

import "testing"

func TestSkipReason(t *testing.T) {
	cases := []struct{ message, want string }{
		{"feat: all new", ""},
		{"docs [skip ci]", "the commit message says [skip ci]"},
		{"docs\n\nlong text [CI Skip]", "the commit message says [ci skip]"},
		{"[no ci] x", "the commit message says [no ci]"},
		{"[skip actions]", "the commit message says [skip actions]"},
		{"[actions skip]", "the commit message says [actions skip]"},
		{"x\n\n\nskip-checks: true", "the commit message says skip-checks: true"},
		{"x\r\n\r\n\r\nskip-checks: true\r\n", "the commit message says skip-checks: true"},
		{"x\n\nskip-checks: true", ""},                // one empty line only
		{"x [skip ci]\n\n\nrequest-checks: true", ""}, // overruled
		{"x\n\n\nskip-checks:true\nCo-authored-by: a <a@b>", "the commit message says skip-checks: true"},
		{"skip ci", ""},
		{"", ""},
	}
	for _, tc := range cases {
		if got := skipReason(tc.message); got != tc.want {
			t.Errorf("%q: %q", tc.message, got)
		}
	}
}
