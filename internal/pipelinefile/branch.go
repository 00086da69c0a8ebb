package pipelinefile

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// branchPattern is one of GitHub's filter patterns. * stands for characters other than /, ** for any, ? makes the
// character before it optional, + repeats it, [] is one of the characters or ranges in it, \ takes the next literally.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
type branchPattern struct {
	exclude bool
	match   *regexp.Regexp
}

const longestPattern = 255

func compileBranchPattern(text string) (branchPattern, error) {
	if len(text) > longestPattern {
		return branchPattern{}, fmt.Errorf("is longer than %d characters", longestPattern)
	}
	pattern, exclude := strings.CutPrefix(text, "!")
	if pattern == "" {
		return branchPattern{}, fmt.Errorf("excludes nothing: put a pattern behind the ! sign")
	}
	expression, err := globExpression([]rune(pattern))
	if err != nil {
		return branchPattern{}, err
	}
	match, err := regexp.Compile(`(?s)\A` + expression + `\z`)
	if err != nil {
		return branchPattern{}, fmt.Errorf("is no valid pattern: %w", err)
	}
	return branchPattern{exclude: exclude, match: match}, nil
}

// globExpression translates a pattern piece by piece, so that ? and + always follow exactly one piece.
func globExpression(pattern []rune) (string, error) {
	var pieces []string
	for i := 0; i < len(pattern); i++ {
		switch r := pattern[i]; {
		case r == '*' && i+1 < len(pattern) && pattern[i+1] == '*':
			i++
			atStart := i == 1 || pattern[i-2] == '/'
			if atStart && i+1 < len(pattern) && pattern[i+1] == '/' {
				i++
				pieces = append(pieces, "(?:.*/)?") // **/ also stands for no folder at all
				continue
			}
			pieces = append(pieces, ".*")
		case r == '*':
			pieces = append(pieces, "[^/]*")
		case r == '?' || r == '+':
			if len(pieces) == 0 {
				return "", fmt.Errorf(`begins with %c, which repeats the character before it: write \%c for the character itself`, r, r)
			}
			last := len(pieces) - 1
			pieces[last] = "(?:" + pieces[last] + ")" + string(r)
		case r == '[':
			class, length, err := characterClass(pattern[i:])
			if err != nil {
				return "", err
			}
			pieces = append(pieces, class)
			i += length - 1
		case r == '\\':
			if i++; i == len(pattern) {
				return "", fmt.Errorf(`ends with \: write \\ for the character itself`)
			}
			pieces = append(pieces, regexp.QuoteMeta(string(pattern[i])))
		default:
			pieces = append(pieces, regexp.QuoteMeta(string(r)))
		}
	}
	return strings.Join(pieces, ""), nil
}

// characterClass translates [a-z_] and returns how many characters of the pattern it took.
func characterClass(pattern []rune) (class string, length int, err error) {
	var b strings.Builder
	b.WriteByte('[')
	for i := 1; i < len(pattern); i++ {
		switch r := pattern[i]; {
		case r == ']' && i == 1:
			return "", 0, fmt.Errorf("has empty brackets: list the characters between [ and ]")
		case r == ']':
			b.WriteByte(']')
			return b.String(), i + 1, nil
		case i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']':
			if pattern[i+2] < r {
				return "", 0, fmt.Errorf("has the range %c-%c backwards", r, pattern[i+2])
			}
			b.WriteString(classRune(r) + "-" + classRune(pattern[i+2]))
			i += 2
		default:
			b.WriteString(classRune(r))
		}
	}
	return "", 0, fmt.Errorf(`has a [ without its ]: write \[ for the character itself`)
}

// classRune writes a rune so that nothing in a character class can take it for syntax.
func classRune(r rune) string { return fmt.Sprintf(`\x{%x}`, r) }

func checkBranchPattern(text string) string {
	if _, err := compileBranchPattern(text); err != nil {
		return err.Error()
	}
	return ""
}

// branchMatcher matches patterns in order: a later one overrules an earlier one. No pattern: every branch. Patterns
// that do not compile have been reported and match nothing.
func branchMatcher(patterns []string) func(string) bool {
	if len(patterns) == 0 {
		return func(string) bool { return true }
	}
	compiled := make([]branchPattern, 0, len(patterns))
	for _, text := range patterns {
		if p, err := compileBranchPattern(text); err == nil {
			compiled = append(compiled, p)
		}
	}
	return func(branch string) bool {
		matched := false
		for _, p := range compiled {
			if matched == p.exclude && p.match.MatchString(branch) {
				matched = !p.exclude
			}
		}
		return matched
	}
}

func newBranchFilter(branches []string) *pipeline.BranchFilter {
	return &pipeline.BranchFilter{Branches: branches, Match: branchMatcher(branches)}
}

// onlyExclusions reports patterns of which each excludes, so that nothing could ever match.
func (d *decoder) onlyExclusions(patterns []string, at path) {
	for _, p := range patterns {
		if !strings.HasPrefix(p, "!") {
			return
		}
	}
	if len(patterns) > 0 {
		d.problemf(at, `only excludes, so nothing would match: put "**" before the exclusions for everything else`)
	}
}
