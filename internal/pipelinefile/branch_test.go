package pipelinefile

import "testing"

// The rows follow GitHub's cheat sheet of filter patterns.
func TestBranchMatcher(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		branch   string
		want     bool
	}{
		{nil, "anything/at-all", true},
		{[]string{"main"}, "main", true},
		{[]string{"main"}, "mainline", false},
		{[]string{"main"}, "feature/main", false},
		{[]string{"*"}, "main", true},
		{[]string{"*"}, "feature/a", false},
		{[]string{"**"}, "feature/a/b", true},
		{[]string{"feature/*"}, "feature/a", true},
		{[]string{"feature/*"}, "feature/a/b", false},
		{[]string{"feature/**"}, "feature/a/b", true},
		{[]string{"**/fix"}, "fix", true},
		{[]string{"**/fix"}, "a/b/fix", true},
		{[]string{"**/fix"}, "hotfix", false},
		{[]string{"releases/**/beta"}, "releases/beta", true},
		{[]string{"releases/**/beta"}, "releases/1/2/beta", true},
		{[]string{"v2*"}, "v2.9", true},
		{[]string{"v2*"}, "v2/x", false},
		{[]string{"v[12].[0-9]+.[0-9]+"}, "v1.10.2", true},
		{[]string{"v[12].[0-9]+.[0-9]+"}, "v3.0.0", false},
		{[]string{"*-feature"}, "mona-feature", true},
		{[]string{"jsx?"}, "js", true},
		{[]string{"jsx?"}, "jsx", true},
		{[]string{"jsx?"}, "jsy", false},
		{[]string{"[CB]at"}, "Cat", true},
		{[]string{"[CB]at"}, "Rat", false},
		{[]string{`a\*b`}, "a*b", true},
		{[]string{`a\*b`}, "axb", false},
		{[]string{"a.c"}, "abc", false},
		{[]string{"[^a]x"}, "^x", true},
		{[]string{"[^a]x"}, "bx", false},
		{[]string{"a+"}, "aaa", true},
		{[]string{"*+"}, "ab", true},
		{[]string{"ä?x"}, "x", true},
		{[]string{"release/**", "!release/**-alpha"}, "release/10", true},
		{[]string{"release/**", "!release/**-alpha"}, "release/10-alpha", false},
		{[]string{"!release/**-alpha", "release/**"}, "release/10-alpha", true},
		{[]string{"**", "!x", "x"}, "x", true},
		{[]string{"["}, "[", false},
		{[]string{"main"}, "main\n", false},
		{[]string{"(a|b)"}, "a", false},
	} {
		if got := branchMatcher(test.patterns)(test.branch); got != test.want {
			t.Errorf("%q matches %q: %v, want %v", test.patterns, test.branch, got, test.want)
		}
	}
}

func TestPathMatcher(t *testing.T) {
	for _, test := range []struct {
		patterns, changed []string
		want              bool
	}{
		{nil, nil, true},
		{[]string{"src/**"}, nil, false},
		{[]string{"src/**"}, []string{"README.md", "src/a/b.go"}, true},
		{[]string{"src/"}, []string{"src/a/b.go"}, true},
		{[]string{"src/"}, []string{"srcs/a"}, false},
		{[]string{"./src/*.go"}, []string{"src/a.go"}, true},
		{[]string{"src/*"}, []string{"src/a/b.go"}, false},
		{[]string{"**.js"}, []string{"a/b/c.js"}, true},
		{[]string{"**.js"}, []string{"c.js"}, true},
		{[]string{"*.js"}, []string{"a/c.js"}, false},
		{[]string{"**/*.{js,ts}"}, []string{"a/c.ts"}, true},
		{[]string{"**", "!docs/**"}, []string{"docs/a.md"}, false},
		{[]string{"**", "!docs/**"}, []string{"docs/a.md", "x"}, true},
		{[]string{"**", "!docs/**", "docs/keep.md"}, []string{"docs/keep.md"}, true},
		{[]string{"src/["}, []string{"src/["}, false},
	} {
		if got := pathMatcher(test.patterns)(test.changed); got != test.want {
			t.Errorf("%q wants %q: %v, want %v", test.patterns, test.changed, got, test.want)
		}
	}
}
