package pythonenv

import (
	"strings"
	"testing"
)

func TestRequestAllows(t *testing.T) {
	for text, versions := range map[string]struct{ yes, no []Version }{
		"3.13":           {[]Version{{3, 13, 0}, {3, 13, 9}}, []Version{{3, 12, 9}, {3, 14, 0}}},
		"3.13.0":         {[]Version{{3, 13, 0}}, []Version{{3, 13, 1}}},
		"3":              {[]Version{{3, 9, 0}}, []Version{{2, 7, 18}}},
		"cpython-3.12":   {[]Version{{3, 12, 1}}, []Version{{3, 13, 1}}},
		">=3.11,<3.13":   {[]Version{{3, 11, 0}, {3, 12, 9}}, []Version{{3, 10, 9}, {3, 13, 0}}},
		">=3.9, !=3.9.1": {[]Version{{3, 9, 0}, {3, 13, 0}}, []Version{{3, 9, 1}, {3, 8, 9}}},
		"~=3.11":         {[]Version{{3, 11, 0}, {3, 13, 0}}, []Version{{3, 10, 0}, {4, 0, 0}}},
		"~=3.11.2":       {[]Version{{3, 11, 2}}, []Version{{3, 11, 1}, {3, 12, 0}}},
		"^3.11":          {[]Version{{3, 11, 0}, {3, 13, 0}}, []Version{{4, 0, 0}, {3, 10, 0}}},
		"~3.12":          {[]Version{{3, 12, 4}}, []Version{{3, 13, 0}}},
		"==3.12.*":       {[]Version{{3, 12, 4}}, []Version{{3, 13, 0}}},
		">3.11":          {[]Version{{3, 12, 0}}, []Version{{3, 11, 4}}},
		"<=3.12":         {[]Version{{3, 12, 4}, {3, 11, 0}}, []Version{{3, 13, 0}}},
		"===3.12.1":      {[]Version{{3, 12, 1}}, []Version{{3, 12, 2}}},
	} {
		request, err := ParseRequest(text, "test")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, v := range versions.yes {
			if !request.Allows(v) || !request.allowsMinor(Version{v[0], v[1], 0}) {
				t.Errorf("%s refuses %s", text, v)
			}
		}
		for _, v := range versions.no {
			if request.Allows(v) {
				t.Errorf("%s allows %s", text, v)
			}
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	for _, text := range []string{"", "pypy3.10-7.3", "3.13-dev", "latest", ">=3.x", "~=3", "3.13; rm -rf /", strings.Repeat(">=3,", 30) + ">=3"} {
		if _, err := ParseRequest(text, ".python-version"); err == nil || !strings.HasPrefix(err.Error(), ".python-version") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
