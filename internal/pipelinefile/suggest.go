package pipelinefile

import (
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/spelling"
)

// unknown phrases what to do about a word that is none of the known ones.
func unknown(word string, known []string) string {
	if hint, ok := foreign(word); ok {
		return hint
	}
	if near, ok := nearest(word, known); ok {
		return "did you mean " + near + "?"
	}
	if len(known) == 0 {
		return "there are none to set; remove it"
	}
	return "known are " + strings.Join(known, ", ")
}

// nearest finds the known word somebody most likely meant.
func nearest(word string, known []string) (string, bool) {
	if len(word) > longestShown {
		return "", false
	}
	for _, k := range known {
		if strings.HasPrefix(k, word+"-") {
			return k, true
		}
	}
	plain := func(s string) string { return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)) }
	best, bestDistance := "", 1+max(1, len(word)/3)
	for _, k := range known {
		if d := spelling.Distance(plain(word), plain(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best, best != ""
}

// foreign says what words of other systems are called here.
func foreign(word string) (string, bool) {
	hints := []struct {
		words  []string
		remedy string
	}{
		{[]string{"jobs"}, "jobs are called stages here"},
		{[]string{"steps", "script", "commands"}, "write the shell commands as a list under run"},
		{[]string{"runs-on"}, "the server decides where stages run; image names a container for the commands"},
		{[]string{"container"}, "image names the container for the commands"},
		{[]string{"strategy"}, "write matrix directly under the stage"},
		{[]string{"depends_on", "depends-on", "dependencies_on"}, "needs lists the stages that must pass first"},
		{[]string{"continue-on-error", "allow_failure", "allow-failure"}, "it is called continue-on-failure here"},
		{[]string{"branches-ignore"}, `put "!pattern" after the patterns in branches`},
		{[]string{"paths-ignore"}, `put "!pattern" after the patterns in the paths of a stage`},
		{[]string{"tags", "tags-ignore"}, "tags start no run"},
		{[]string{"workflow_dispatch", "repository_dispatch"}, "runs by hand are started with the comment /deploy or with Re-run on a check"},
		{[]string{"merge_group"}, "a merge group runs what pull_request runs"},
		{[]string{"pull_request_target"}, "write pull_request: pull requests of forks read this file from their base branch anyway"},
		{[]string{"extends", "include"}, "YAML anchors share parts of a file; the organisation's .github repository holds common rules"},
	}
	for _, h := range hints {
		if slices.Contains(h.words, word) {
			return h.remedy, true
		}
	}
	return "", false
}
