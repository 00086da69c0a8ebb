package image

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// What the builder says of images, files and secrets it cannot have, and of a disk that is full.
var (
	baseMissing = regexp.MustCompile(`failed to resolve source metadata for (\S+?): (?:.*: )?(?:not found|pull access denied, repository does not exist or may require authorization|failed to authorize)`)
	fileMissing = regexp.MustCompile(`^(?:"(/.*)": not found|lstat (/.*): no such file or directory)$`)
	notGiven    = regexp.MustCompile(`^secret (\S+): not found$`)
	baseAway    = regexp.MustCompile(`failed to resolve source metadata for (\S+?): .*(?:failed to do request|i/o timeout|no such host|connection refused|TLS handshake|50[0234] )`)
	ofOurs      = regexp.MustCompile("/(?:" + layoutsDir + "|" + cacheSteps + ")/" + newPrefix)
	diskFull    = regexp.MustCompile(`no space left on device|disk quota exceeded`)
)

// notBuilt makes a verdict of a failed build, with an annotation on the line of the Dockerfile that failed.
func (a *attempt) notBuilt(p place, err error) error {
	problem, ok := errors.AsType[*buildkit.BuildError](err)
	if !ok {
		return err
	}
	if problem.Lost {
		return fmt.Errorf("the builder was lost while it built: %w", err)
	}
	if diskFull.MatchString(problem.Message) && ofOurs.MatchString(problem.Message) {
		return &red{pipeline.Verdict{
			Status: pipeline.StatusFailure, Infrastructure: true, Title: "The disk of the bot's cache is full",
			Cause: "The image was built, and there is no room for it between the two steps: no space left on device.",
		}}
	}
	verdict := judge(problem)
	where := p.name
	if problem.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.name, problem.Line)
	}
	verdict.Cause = where + ": " + sentence(verdict.Cause)
	if !verdict.Infrastructure {
		a.s.Finding(pipeline.Finding{
			Tool: "buildkit", Rule: "build", Path: p.name, Line: problem.Line, EndLine: problem.EndLine, Level: pipeline.LevelFailure,
			Title: verdict.Title, Message: problem.Message,
		})
	}
	return &red{verdict}
}

func judge(problem *buildkit.BuildError) pipeline.Verdict {
	verdict := pipeline.Verdict{Status: pipeline.StatusFailure, Title: "The image could not be built", Cause: problem.Message}
	in := func(pattern *regexp.Regexp) (what string, matches bool) {
		found := pattern.FindStringSubmatch(problem.Message)
		return strings.Join(found[min(1, len(found)):], ""), found != nil
	}
	if diskFull.MatchString(problem.Message) {
		verdict.Title, verdict.Infrastructure = "The disk of the builder is full", true
	} else if image, ok := in(baseAway); ok {
		verdict.Title, verdict.Infrastructure = "The base image "+image+" cannot be reached", true
	} else if image, ok := in(baseMissing); ok {
		verdict.Title = "The base image " + image + " does not exist"
	} else if file, ok := in(fileMissing); ok {
		verdict.Title = file + " does not exist where it is copied from"
	} else if secret, ok := in(notGiven); ok {
		verdict.Title = "The build has no secret " + secret
		verdict.Cause += ". `secrets` of the stage names those that a build may mount"
	}
	return verdict
}
