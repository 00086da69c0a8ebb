package pipelinefile

import (
	"strings"
	"testing"
)

func TestInfer(t *testing.T) {
	for _, test := range []struct {
		paths, want string
	}{
		{"README.md", ""},
		{"docs/requirements.txt sub/Dockerfile infra/modules/a.tf k8s/README.md", ""},
		{"requirements.txt", "build-and-test security-and-linting<build-and-test deployment-summary"},
		{"pyproject.toml", "build-and-test security-and-linting<build-and-test deployment-summary"},
		{"Dockerfile", "docker-build-push deployment-summary"},
		{"k8s/app.yml", "kubernetes-deploy deployment-summary"},
		{
			"requirements.txt Dockerfile infra/main.tf k8s/app.yaml",
			"build-and-test security-and-linting<build-and-test docker-build-push<build-and-test " +
				"terraform-provision<security-and-linting,docker-build-push " +
				"kubernetes-deploy<security-and-linting,docker-build-push,terraform-provision deployment-summary",
		},
	} {
		definition, ok := Infer(strings.Fields(test.paths))
		if ok != (test.want != "") {
			t.Errorf("%s: ok is %v", test.paths, ok)
		}
		stages := make([]string, 0, len(definition.Stages))
		for _, s := range definition.Stages {
			text := s.ID
			for i, n := range s.Needs {
				text += []string{"<", ","}[min(i, 1)] + n.Stage
			}
			stages = append(stages, text)
		}
		if got := strings.Join(stages, " "); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.paths, got, test.want)
		}
		if !ok {
			continue
		}
		if len(definition.Environments) != 0 || definition.Source != InferredSource {
			t.Errorf("%s: %+v", test.paths, definition)
		}
		if !definition.On.Push.Match("any/branch") || !definition.On.PullRequest.Match("main") {
			t.Errorf("%s: does not run everywhere", test.paths)
		}
	}
}

func TestInferredImageIsNotPushed(t *testing.T) {
	definition, _ := Infer([]string{"Dockerfile"})
	if with := string(definition.Stages[0].With); !strings.Contains(with, `"push":"never"`) || !strings.Contains(with, `"cache":"local"`) {
		t.Error(with)
	}
}
