package pythonenv

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is a release of Python: three numbers.
type Version [3]int

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Minor is "3.13".
func (v Version) Minor() string { return fmt.Sprintf("%d.%d", v[0], v[1]) }

// Compare orders versions.
func (v Version) Compare(other Version) int { return slices.Compare(v[:], other[:]) }

var numbers = regexp.MustCompile(`^(\d{1,3})(?:\.(\d{1,3}))?(?:\.(\d{1,3}))?$`)

// parseVersion reads one to three numbers and says how many there were.
func parseVersion(text string) (v Version, parts int, err error) {
	m := numbers.FindStringSubmatch(text)
	if m == nil {
		return v, 0, fmt.Errorf("%q is not a Python version such as 3.13 or 3.13.0", text)
	}
	for i, digits := range m[1:] {
		if digits == "" {
			break
		}
		if v[i], err = strconv.Atoi(digits); err != nil {
			return v, 0, err
		}
		parts++
	}
	return v, parts, nil
}

// constraint is one clause of a version specifier (PEP 440; ^ as Poetry has it).
type constraint struct {
	op      string
	version Version
	parts   int
}

// prefix is how 3.13 matches 3.13.5.
func (c constraint) prefix(v Version, parts int) bool {
	return slices.Equal(v[:parts], c.version[:parts])
}

func (c constraint) allows(v Version) bool {
	order := v.Compare(c.version)
	switch c.op {
	case "==":
		return c.prefix(v, c.parts)
	case "!=":
		return !c.prefix(v, c.parts)
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0 || c.prefix(v, c.parts)
	case ">":
		return order > 0 && !c.prefix(v, c.parts)
	case "<":
		return order < 0
	case "~=":
		return order >= 0 && c.prefix(v, max(c.parts-1, 1))
	case "^":
		return order >= 0 && c.prefix(v, 1)
	}
	return false
}

// Request is the version a repository asks for and where it says so.
type Request struct {
	// Text is as written: "3.13", ">=3.11,<3.14".
	Text string
	// Source names the place for messages: "the stage's `python`", ".python-version", "requires-python of pyproject.toml".
	Source      string
	constraints []constraint
}

// Allows reports whether a version satisfies the request.
func (r Request) Allows(v Version) bool {
	for _, c := range r.constraints {
		if !c.allows(v) {
			return false
		}
	}
	return true
}

// allowsMinor reports whether some release of a minor version may satisfy the request.
func (r Request) allowsMinor(v Version) bool {
	return slices.ContainsFunc([]int{0, 99}, func(patch int) bool { return r.Allows(Version{v[0], v[1], patch}) }) ||
		slices.ContainsFunc(r.constraints, func(c constraint) bool { return c.op == "==" && c.parts == 3 && c.prefix(v, 2) })
}

// DefaultVersion is used when a repository says nothing, and preferred where a range allows it.
const DefaultVersion = "3.13"

// ParseRequest reads a version ("3.13", "3.13.0", "cpython-3.13") or a specifier (">=3.11,<3.14", "~=3.12", "^3.11", "3.12.*").
func ParseRequest(text, source string) (Request, error) {
	request := Request{Text: strings.TrimSpace(text), Source: source}
	clauses := strings.Split(strings.TrimPrefix(request.Text, "cpython-"), ",")
	if len(clauses) > 20 {
		return request, fmt.Errorf("%s holds more than 20 version clauses", source)
	}
	for _, clause := range clauses {
		c, err := parseConstraint(strings.TrimSpace(clause))
		if err != nil {
			return request, fmt.Errorf("%s: %w", source, err)
		}
		request.constraints = append(request.constraints, c)
	}
	return request, nil
}

func parseConstraint(text string) (constraint, error) {
	c := constraint{op: "=="}
	for _, op := range []string{"===", "==", "!=", ">=", "<=", "~=", ">", "<", "^", "~"} {
		if rest, ok := strings.CutPrefix(text, op); ok {
			c.op, text = op, strings.TrimSpace(rest)
			break
		}
	}
	var err error
	c.version, c.parts, err = parseVersion(strings.TrimSuffix(text, ".*"))
	switch {
	case err != nil:
		return c, err
	case c.op == "===":
		c.op = "=="
	case c.op == "~": // Poetry: ~3.12 is 3.12.x, ~3 is 3.x
		c.op, c.parts = "==", min(c.parts, 2)
	case c.op == "~=" && c.parts < 2:
		return c, fmt.Errorf("~=%s needs at least two numbers", text)
	}
	return c, nil
}

// newestFirst orders the default version before others, then the newest first.
func newestFirst(a, b Version) int {
	return cmp.Or(-cmp.Compare(isDefault(a), isDefault(b)), -a.Compare(b))
}

func isDefault(v Version) int {
	if v.Minor() == DefaultVersion {
		return 1
	}
	return 0
}
