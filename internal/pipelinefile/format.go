package pipelinefile

import (
	"net/mail"
	"net/url"
	slashpath "path"
	"regexp"
	"strings"
	"unicode"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"
)

// textFormat is a kind of text a key may ask for. Exactly one of pattern and check is set; a pattern goes into the
// schema as well.
type textFormat struct {
	pattern *regexp.Regexp
	// must ends the sentence "stages.x.y must be …" for a pattern.
	must  string
	check func(text string) (complaint string)
}

// formats is the table of text formats; patterns are compiled once.
var formats = map[string]textFormat{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"stage-id": {
		pattern: regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`),
		must:    "a letter followed by letters, digits, - and _, at most 64 together: it becomes the name of a check",
	},
	"environment-name": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`),
		must:    "letters, digits, ., - and _, beginning with a letter or digit, at most 64: it becomes part of the name of a check",
	},
	"environment-reference": {
		pattern: regexp.MustCompile(`^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$`),
		must:    `the name of an environment, or "*" for whichever the run is for`,
	},
	"matrix-name": {
		pattern: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}$`),
		must:    "letters, digits, - and _, not beginning with a digit: it becomes the environment variable MATRIX_<NAME>",
	},
	"version": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`),
		must:    `a version such as "3.13"`,
	},
	"image": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,511}$`),
		must:    "a container image such as python:3.13-slim or ghcr.io/acme/tools@sha256:…",
	},
	"image-repository": {
		pattern: regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$`),
		must:    "an image repository in lower case without a tag, such as docker.io/acme/app; tags stand under tags",
	},
	"image-tag": {
		pattern: regexp.MustCompile(`^(?:[A-Za-z0-9_]|\{(?:branch|sha|short-sha|run)\})(?:[A-Za-z0-9_.-]|\{(?:branch|sha|short-sha|run)\}){0,127}$`),
		must:    "branch, sha, latest, or a tag of letters, digits, _, . and -, in which {branch}, {sha}, {short-sha} and {run} are filled in",
	},
	"platform": {
		pattern: regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?$`),
		must:    "a platform such as linux/amd64 or linux/arm64",
	},
	"name": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`),
		must:    "letters, digits, ., - and _, beginning with a letter or digit",
	},
	"workspace": {
		pattern: regexp.MustCompile(`^(?:[A-Za-z0-9]|\$\{\{ *environment *\}\})(?:[A-Za-z0-9._-]|\$\{\{ *environment *\}\}){0,127}$`),
		must:    "letters, digits, ., - and _, beginning with a letter or digit, in which ${{ environment }} is filled in",
	},
	"terraform-variable": {
		pattern: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`),
		must:    "the name of a Terraform variable",
	},
	"label": {
		pattern: regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`),
		must:    "a Kubernetes name: lower-case letters, digits and -, at most 63",
	},
	"helm-value": {
		pattern: regexp.MustCompile(`^[A-Za-z0-9_-]+(\\?\.[A-Za-z0-9_-]+|\[[0-9]+\])*$`),
		must:    "the dotted name of a value, such as image.tag or hosts[0].name",
	},
	"region": {
		pattern: regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`),
		must:    "an AWS region such as us-east-1",
	},
	"role": {
		pattern: regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$`),
		must:    "the ARN of a role such as arn:aws:iam::123456789012:role/deploy",
	},
	"person": {
		pattern: regexp.MustCompile(`^@?[A-Za-z0-9][A-Za-z0-9-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?$`),
		must:    `a login such as "octocat" or a team such as "@acme/platform"`,
	},
	"header": {
		pattern: regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$"),
		must:    "the name of an HTTP header",
	},
	"url-path": {
		pattern: regexp.MustCompile(`^/[^\s\\]*$`),
		must:    "a path such as /api/items",
	},
	"jsonpath":       {pattern: regexp.MustCompile(`^\$`), must: "a JSONPath that begins with $, such as $.items[0].name"},
	"title":          {check: checkTitle},
	"secret":         {check: checkVariable},
	"env-name":       {check: checkVariable},
	"path":           {check: checkPath},
	"glob":           {check: checkGlob},
	"path-pattern":   {check: checkPathPattern},
	"cache-path":     {check: checkCachePath},
	"cache-key":      {check: checkCacheKey},
	"branch-pattern": {check: checkBranchPattern},
	"url":            {check: checkURL},
	"email":          {check: checkEmail},
	"time-zone":      {check: checkTimeZone},
	"cron":           {check: checkCron},
}

// format holds text against a format and points at n when it does not fit.
func (d *decoder) format(n *yaml.Node, text, name string, at path) bool {
	f, ok := formats[name]
	if !ok {
		return true
	}
	complaint := ""
	switch {
	case f.check != nil:
		complaint = f.check(text)
	case !f.pattern.MatchString(text):
		complaint = "must be " + f.must
	}
	if complaint == "" {
		return true
	}
	d.atf(n, "%s: %s %s", at, show(text), complaint)
	return false
}

func checkTitle(text string) string {
	if len([]rune(text)) > 100 {
		return "must have at most 100 characters"
	}
	for _, r := range text {
		if r == '\n' || r == '\t' || unicode.In(r, unicode.Cc, unicode.Bidi_Control) {
			return "must be one line without control characters"
		}
	}
	return ""
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// checkVariable accepts names of environment variables, which is what secrets become too.
func checkVariable(text string) string {
	if !variable.MatchString(text) {
		return "must be letters, digits and _, not beginning with a digit, at most 128: it becomes an environment variable"
	}
	upper := strings.ToUpper(text)
	for _, prefix := range []string{"SLIPWAY_", "MATRIX_"} {
		if strings.HasPrefix(upper, prefix) {
			return "must not begin with " + prefix + ": Slipway sets these variables itself"
		}
	}
	if upper == "CI" || upper == "PATH" {
		return "is set by Slipway itself: choose another name, or export it in a command"
	}
	return ""
}

func checkPath(text string) string {
	switch {
	case strings.HasPrefix(text, "/"), strings.HasPrefix(text, "~"), strings.Contains(text, `\`):
		return "must be a path relative to the repository, with / between folders"
	case strings.HasPrefix(text, "-"):
		return "must not begin with -: tools would take it for an option; write ./" + clip(text)
	case escapes(text):
		return "must not lead out of the repository"
	case strings.ContainsAny(text, "\n\t"):
		return "must be one line"
	}
	return ""
}

func escapes(text string) bool {
	clean := slashpath.Clean(text)
	return clean == ".." || strings.HasPrefix(clean, "../")
}

// maxAlternatives bounds what {a,b}{c,d}… multiplies to: a matcher tries them one by one.
const maxAlternatives = 256

func checkGlob(text string) string {
	if complaint := checkPath(text); complaint != "" {
		return complaint
	}
	if !doublestar.ValidatePattern(text) {
		return `is no valid pattern: check its brackets ([a-z], {one,two}); \ takes a character literally`
	}
	product, group := 1, 1
	for _, r := range text {
		switch r {
		case ',':
			group++
		case '}':
			product, group = min(product*group, maxAlternatives+1), 1
		}
	}
	if len(text) > longestPattern || product > maxAlternatives || strings.Count(text, "{") > 8 {
		return "is too long or has too many {alternatives}: write several patterns"
	}
	return ""
}

func checkCachePath(text string) string {
	inner := strings.TrimPrefix(text, "~/")
	return checkPath(inner)
}

var hashFiles = regexp.MustCompile(`^\$\{\{\s*hashFiles\(\s*'([^']+)'(?:\s*,\s*'([^']+)')*\s*\)\s*}}`)

func checkCacheKey(text string) string {
	if complaint := checkTitle(text); complaint != "" {
		return complaint
	}
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "${{")
		if !found {
			return ""
		}
		part := hashFiles.FindString("${{" + after)
		if part == "" {
			return "holds an expression other than ${{ hashFiles('pattern') }}: only that one is replaced"
		}
		rest = after[len(part)-len("${{"):]
	}
}

func checkURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "must be an address such as https://inventory.example.com, without a password"
	}
	return ""
}

func checkEmail(text string) string {
	if a, err := mail.ParseAddress(text); err != nil || a.Address != text || strings.HasPrefix(text, "-") {
		return "must be a plain e-mail address such as platform@example.com"
	}
	return ""
}
