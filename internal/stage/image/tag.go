package image

import (
	"slices"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Words that stand for tags in `tags`.
const (
	tagBranch = "branch"
	tagSHA    = "sha"
	tagLatest = "latest"
)

// maxTag is the longest tag that registries take.
const maxTag = 128

// shortSHA is how much of a commit's name people read.
const shortSHA = 7

// tags are those that the image of a trigger gets, without repetition.
func tags(wanted []string, t pipeline.Trigger, run int64) []string {
	fill := strings.NewReplacer(
		"{branch}", tagOf(t.Branch), "{sha}", t.SHA, "{short-sha}", t.SHA[:min(shortSHA, len(t.SHA))], "{run}", strconv.FormatInt(run, 10))
	var all []string
	for _, tag := range wanted {
		switch tag {
		case tagBranch:
			tag = tagOf(t.Branch)
		case tagSHA:
			tag = t.SHA
		case tagLatest:
			if t.Branch != t.Repository.DefaultBranch {
				continue
			}
		default:
			tag = fill.Replace(tag)
			tag = tag[:min(len(tag), maxTag)]
		}
		if tag != "" && !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	return all
}

// tagOf makes a tag of a branch's name: "feature/login" is "feature-login".
func tagOf(branch string) string {
	tag := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, branch)
	tag = strings.TrimLeft(tag, ".-")
	return tag[:min(len(tag), maxTag)]
}

// cacheTag is where the build cache of a branch is kept in the image's repository.
func cacheTag(branch string) string {
	tag := "buildcache-" + tagOf(branch)
	return tag[:min(len(tag), maxTag)]
}
