package changes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		diff string
		want map[string][]Range
	}{
		"nothing": {"", map[string][]Range{}},
		"one line and several": {
			"diff --git a/app.py b/app.py\nindex 1..2 100644\n--- a/app.py\n+++ b/app.py\n@@ -3 +3 @@ def f():\n-a\n+b\n@@ -10,0 +11,3 @@\n+c\n+d\n+e\n",
			map[string][]Range{"app.py": {{3, 3}, {11, 13}}},
		},
		"new file": {
			"diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1,2 @@\n+x\n+y\n",
			map[string][]Range{"n": {{1, 2}}},
		},
		"deletion only": {
			"diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -4,2 +3,0 @@\n-x\n-y\n",
			map[string][]Range{},
		},
		"deleted file": {
			"diff --git a/n b/n\ndeleted file mode 100644\n--- a/n\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
			map[string][]Range{},
		},
		"content that looks like a header": {
			"diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1,2 +1,2 @@\n--- a/other\n-x\n+++ b/other\n+@@ -1 +1 @@\n@@ -9,0 +9 @@\n+z\n",
			map[string][]Range{"n": {{1, 2}, {9, 9}}},
		},
		"no newline at the end, before and after": {
			"diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\ndiff --git a/m b/m\n--- a/m\n+++ b/m\n@@ -2 +2 @@\n-x\n+y\n",
			map[string][]Range{"n": {{1, 1}}, "m": {{2, 2}}},
		},
		"paths with spaces, quotes and letters": {
			"diff --git a/a b b/a b\n--- a/a b\t\n+++ b/a b\t\n@@ -1 +1 @@\n-x\n+y\n" +
				"diff --git \"a/q\\\"\\n\" \"b/q\\\"\\n\"\n--- \"a/q\\\"\\n\"\n+++ \"b/q\\\"\\n\\303\\274\"\n@@ -1 +1 @@\n-x\n+y\n" +
				"diff --git a/ü b/ü\n--- a/ü\n+++ b/ü\n@@ -1 +1 @@\n-x\n+y\n",
			map[string][]Range{"a b": {{1, 1}}, "q\"\nü": {{1, 1}}, "ü": {{1, 1}}},
		},
		"rename without a change, mode, binary": {
			"diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\ndiff --git a/s b/s\nold mode 100644\nnew mode 100755\n" +
				"diff --git a/i.png b/i.png\nBinary files a/i.png and b/i.png differ\n",
			map[string][]Range{},
		},
		"a line longer than any buffer": {
			"diff --git a/n b/n\n--- a/n\n+++ b/n\n@@ -0,0 +1,2 @@\n+" + strings.Repeat("x", 3<<20) + "\n+y\n",
			map[string][]Range{"n": {{1, 2}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(test.diff))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, diff := range map[string]string{
		"hunk head":       "+++ b/n\n@@ nonsense\n",
		"span":            "+++ b/n\n@@ -1 +x @@\n",
		"negative":        "+++ b/n\n@@ -1 +1,-1 @@\n",
		"enormous":        "+++ b/n\n@@ -1 +1,99999999999 @@\n",
		"cut short":       "+++ b/n\n@@ -1 +1 @@\n-x\n",
		"quote left open": "+++ \"b/n\n@@ -1 +1 @@\n-x\n+x\n",
		"wrong escape":    "+++ \"b/\\z\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Parse(strings.NewReader(diff)); err == nil {
				t.Errorf("taken as %v", got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("diff --git a/n b/n\n--- a/n\n+++ \"b/\\303n\"\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+y\n")
	f.Fuzz(func(t *testing.T, diff string) {
		got, err := Parse(strings.NewReader(diff))
		if err != nil {
			return
		}
		for path, ranges := range got {
			for _, r := range ranges {
				if path == "" || r.First < 0 || r.Last < r.First {
					t.Fatalf("%q %v", path, r)
				}
			}
		}
	})
}
