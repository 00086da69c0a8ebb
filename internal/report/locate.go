package report

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Exists reports whether a slash-separated path is a file of the checkout. A nil Exists takes every path.
type Exists func(path string) bool

func (e Exists) holds(name string) bool {
	name = clean(name)
	return name != "" && (e == nil || e(name))
}

// clean makes a path relative to the checkout, or empty when it leads out of it.
func clean(name string) string {
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if name == "." || name == ".." || strings.HasPrefix(name, "../") || strings.HasPrefix(name, "/") {
		return ""
	}
	return name
}

// place is a line of a file; Line 0: the file as a whole.
type place struct {
	path string
	line int
}

var (
	// pytest ends a traceback entry with "tests/test_app.py:12: AssertionError"; collection errors hold the same form.
	pytestFrame = regexp.MustCompile(`(?m)^([^\s:][^:\n]{0,400}\.py):(\d{1,7}): `)
	// Python's own tracebacks: File "/srv/app/model.py", line 12
	pythonFrame = regexp.MustCompile(`(?m)^[ E]*File "([^"\n]{1,400})", line (\d{1,7})`)
	// Java: at com.acme.ShopTest.sells(ShopTest.java:42)
	javaFrame = regexp.MustCompile(`(?m)^\s*at ([\w.$]{1,400})\.[\w$<>]{1,200}\(([\w$]{1,200}\.(?:java|kt|scala|groovy)):(\d{1,7})\)`)
	// Go, jest and others: src/shop.test.js:12:5 or shop_test.go:12:
	plainFrame = regexp.MustCompile(`(?m)(?:^|[\s(])([\w./@-]{1,400}\.[a-z]{1,5}):(\d{1,7})\b`)
)

// Locate finds the line of the checkout a broken case is about: the deepest frame of its trace that lies in the
// checkout, else what the report names, else the file its class suggests. dir is the checkout's absolute path.
func (c Case) Locate(dir string, exists Exists) (file string, line int) {
	for _, p := range c.places(dir) {
		if exists.holds(p.path) {
			return clean(p.path), p.line
		}
	}
	return "", 0
}

func (c Case) places(dir string) []place {
	text := c.Trace
	if text == "" {
		text = c.Message
	}
	places := deepestFirst(frames(pytestFrame, text, dir))
	places = append(places, deepestFirst(frames(pythonFrame, text, dir))...)
	places = append(places, javaPlaces(text, c.Class)...)
	if c.File != "" {
		places = append(places, place{relative(c.File, dir), c.Line})
	}
	places = append(places, frames(plainFrame, text, dir)...)
	return append(places, classPlaces(c.Class)...)
}

func frames(expression *regexp.Regexp, text, dir string) []place {
	var places []place
	for _, m := range expression.FindAllStringSubmatch(text, 200) {
		line, err := strconv.Atoi(m[2])
		if err != nil || strings.Contains(m[1], "site-packages/") || strings.Contains(m[1], "node_modules/") {
			continue
		}
		places = append(places, place{relative(m[1], dir), line})
	}
	return places
}

func deepestFirst(places []place) []place {
	for i, j := 0, len(places)-1; i < j; i, j = i+1, j-1 {
		places[i], places[j] = places[j], places[i]
	}
	return places
}

// javaPlaces prefers the frame of the test class itself: deeper ones are the assertion library's.
func javaPlaces(text, class string) []place {
	var own, others []place
	for _, m := range javaFrame.FindAllStringSubmatch(text, 200) {
		line, err := strconv.Atoi(m[3])
		if err != nil {
			continue
		}
		folder := path.Dir(strings.ReplaceAll(m[1], ".", "/"))
		for _, source := range []string{"src/test/java", "src/main/java", "src/test/kotlin", "src/main/kotlin"} {
			p := place{path.Join(source, folder, m[2]), line}
			if m[1] == class {
				own = append(own, p)
			} else {
				others = append(others, p)
			}
		}
	}
	return append(own, others...)
}

// classPlaces turns pytest's "tests.test_app.TestItems" into tests/test_app.py: the file, no line.
func classPlaces(class string) []place {
	parts := strings.Split(class, ".")
	if class == "" || len(parts) > 32 {
		return nil
	}
	var places []place
	for n := len(parts); n > 0; n-- {
		places = append(places, place{path: strings.Join(parts[:n], "/") + ".py"})
	}
	return places
}

// relative takes the checkout's path off an absolute one.
func relative(name, dir string) string {
	if dir != "" {
		if rest, ok := strings.CutPrefix(name, strings.TrimSuffix(dir, "/")+"/"); ok {
			return rest
		}
	}
	return name
}
