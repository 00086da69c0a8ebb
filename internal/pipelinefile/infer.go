package pipelinefile

import (
	"fmt"
	slashpath "path"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// InferredSource is the Source of a definition nobody wrote.
const InferredSource = "inferred from the repository"

// Infer makes the definition of a repository without a pipeline file out of the paths of its files: tests and security
// for Python, a build of the image (never pushed: nobody said where to), Terraform, Kubernetes, and the summary. It has
// no environment, so nothing is deployed. ok is false where the repository holds nothing a stage could work on.
func Infer(paths []string) (definition pipeline.Definition, ok bool) {
	text, ok := InferFile(paths)
	if !ok {
		return pipeline.Definition{}, false
	}
	definition, err := Parse(InferredSource, text)
	return definition, err == nil
}

// InferFile writes what Infer finds as a pipeline file, for those who want to start from it.
func InferFile(paths []string) (text []byte, ok bool) {
	var b strings.Builder
	b.WriteString("stages:\n")
	var ids []string
	for _, s := range inferable() {
		if !slices.ContainsFunc(paths, s.holds) {
			continue
		}
		ids = append(ids, s.id)
		needs := slices.DeleteFunc(slices.Clone(s.needs), func(id string) bool { return !slices.Contains(ids, id) })
		fmt.Fprintf(&b, "  %s:\n    uses: %s\n", s.id, s.uses)
		if len(needs) > 0 {
			fmt.Fprintf(&b, "    needs: [%s]\n", strings.Join(needs, ", "))
		}
		if s.with != "" {
			fmt.Fprintf(&b, "    with: %s\n", s.with)
		}
	}
	b.WriteString("  deployment-summary:\n    uses: summary\n")
	return []byte(b.String()), len(ids) > 0
}

// inferredStage is a stage that follows from a file of the repository.
type inferredStage struct {
	id, uses string
	needs    []string
	with     string
	holds    func(name string) bool
}

func inferable() []inferredStage {
	python := func(name string) bool { return name == "requirements.txt" || name == "pyproject.toml" }
	inFolder := func(folder string, extensions ...string) func(string) bool {
		return func(name string) bool {
			return slashpath.Dir(name) == folder && slices.Contains(extensions, slashpath.Ext(name))
		}
	}
	return []inferredStage{
		{id: "build-and-test", uses: "python", holds: python},
		{id: "security-and-linting", uses: "python-security", needs: []string{"build-and-test"}, holds: python},
		{
			id: "docker-build-push", uses: usesImage, needs: []string{"build-and-test"}, with: "{push: never}",
			holds: func(name string) bool { return name == "Dockerfile" },
		},
		{
			id: "terraform-provision", uses: "terraform", needs: []string{"security-and-linting", "docker-build-push"},
			holds: inFolder("infra", ".tf"),
		},
		{
			id: "kubernetes-deploy", uses: "kubernetes", needs: []string{"security-and-linting", "docker-build-push", "terraform-provision"},
			holds: inFolder("k8s", ".yaml", ".yml"),
		},
	}
}
