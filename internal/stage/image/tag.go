package image

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
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

// tags are those that the image of a trigger gets, without repetition. Where none is left, as of `latest` on another branch,
// it is its commit: registries remove what has no tag.
func tags(wanted []string, t pipeline.Trigger, run int64) []string {
	fill := strings.NewReplacer(
		"{branch}", branchTag(t), "{sha}", t.SHA, "{short-sha}", t.SHA[:min(shortSHA, len(t.SHA))], "{run}", strconv.FormatInt(run, 10))
	var all []string
	for _, tag := range wanted {
		switch tag {
		case tagBranch:
			tag = branchTag(t)
		case tagSHA:
			tag = t.SHA
		case tagLatest:
			if t.Branch != t.Repository.DefaultBranch {
				continue
			}
		default:
			if tag = fill.Replace(tag); len(tag) > maxTag {
				tag = distinct(tag, tag)
			}
		}
		if tag != "" && !slices.Contains(all, tag) {
			all = append(all, tag)
		}
	}
	if len(all) == 0 {
		all = append(all, t.SHA)
	}
	return all
}

// reserved are tags that stand for something else than a branch: the default branch's newest image, a build cache, what
// cosign attaches to an image, a commit, and what distinct makes of another branch.
var reserved = regexp.MustCompile(`^(?:latest|buildcache-.*|sha256-.*|[0-9a-f]{40}|.*-[0-9a-f]{12})$`)

// branchTag is the tag of a trigger's branch. It is never that of the default branch, whose image it would move.
func branchTag(t pipeline.Trigger) string {
	tag, own := tagOf(t.Branch), t.Repository.DefaultBranch
	if t.Branch != own && tag == tagOf(own) {
		return distinct(tag, t.Branch)
	}
	return tag
}

// tagOf makes a tag of a branch's name: "feature/login" is "feature-login", as people expect. A name that has more in it
// that no tag may have, or is reserved, gets an ending, so that it is not the tag of something else: "ümain" is not "main".
func tagOf(branch string) string {
	tag := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, branch)
	tag = strings.TrimLeft(tag, ".-")
	if tag == strings.ReplaceAll(branch, "/", "-") && len(tag) <= maxTag && !reserved.MatchString(tag) {
		return tag
	}
	return distinct(tag, branch)
}

// distinct makes a tag that no other name has.
func distinct(tag, name string) string {
	const digits = 12
	sum := sha256.Sum256([]byte(name))
	ending := "-" + hex.EncodeToString(sum[:])[:digits]
	return cmp.Or(tag[:min(len(tag), maxTag-len(ending))], "branch") + ending
}

// cacheTag is where the build cache of a branch is kept in the image's repository.
func cacheTag(branch string) string {
	tag := "buildcache-" + tagOf(branch)
	if len(tag) > maxTag {
		return distinct(tag, tag)
	}
	return tag
}
