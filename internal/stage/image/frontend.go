package image

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// syntaxArg is the build argument that stands for a `# syntax=` line, and comes before one.
const syntaxArg = "BUILDKIT_SYNTAX"

// builtIn reports whether the language is the one that is read here: others may allow what this one does not.
func (d dockerfile) builtIn() bool {
	return d.syntax == "" || strings.HasPrefix(strings.TrimPrefix(d.syntax, "docker.io/"), "docker/dockerfile:1")
}

// ownFrontend reports whether BuildKit's own frontend reads the Dockerfile. A stranger's is read by no other: a frontend
// decides itself which caches a build uses, and versions of the official one that know no scope reach those of others.
func (a *attempt) ownFrontend(builder *buildkit.Builder, d dockerfile) bool {
	return !a.task().CacheWritable || builder.HasSyntax(d.syntax) && a.settings.BuildArgs[syntaxArg] == ""
}

// strangeFrontend refuses a stranger's Dockerfile that BuildKit's own frontend does not stand for.
func (a *attempt) strangeFrontend(file string, d dockerfile) error {
	if a.task().CacheWritable {
		return nil
	}
	const why = "a commit of a fork is built with docker/dockerfile only, because other frontends could reach the caches of other builds"
	if word := strings.Fields(a.settings.BuildArgs[syntaxArg]); len(word) > 0 && !buildkit.IsOfficial(word[0]) {
		return a.badDockerfile(file, titleFrontend, &syntaxError{message: fmt.Sprintf("the build argument %s asks for the frontend %s, and %s", syntaxArg, word[0], why)})
	}
	if !buildkit.IsOfficial(d.syntax) {
		return a.badDockerfile(file, titleFrontend, &syntaxError{d.syntaxLine, d.syntaxLine, fmt.Sprintf("it asks for the frontend %s, and %s", d.syntax, why)})
	}
	return nil
}

const titleFrontend = "The Dockerfile's frontend is not allowed"

// badDockerfile fails the stage with an annotation on the line that is to blame.
func (a *attempt) badDockerfile(name, title string, problem *syntaxError) error {
	a.s.Finding(pipeline.Finding{
		Tool: "buildkit", Rule: "syntax", Path: name, Line: problem.line, EndLine: problem.end, Level: pipeline.LevelFailure,
		Title: title, Message: problem.message,
	})
	where := name
	if problem.line > 0 {
		where = fmt.Sprintf("%s:%d", name, problem.line)
	}
	return fail(title, where+": "+sentence(problem.message))
}
