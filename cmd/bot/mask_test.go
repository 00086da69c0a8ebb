package main

import (
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestMaskOfALogin(t *testing.T) {
	build := pipeline.Task{Stage: pipeline.StageSpec{Uses: "image", With: []byte(`{"repository": "docker.io/acme/shop"}`)}}
	deploy := pipeline.Task{Stage: pipeline.StageSpec{Uses: "kubernetes"}, Images: map[string]string{"build": "docker.io/acme/shop@sha256:00"}}
	command := pipeline.Task{Stage: pipeline.StageSpec{With: []byte(`{"repository": "docker.io/acme/shop"}`)}}
	for _, tc := range []struct {
		name  string
		task  pipeline.Task
		of    string
		value string
		whole bool
	}{
		{"the name is in the repository", build, "DOCKER_USERNAME", "acme", false},
		{"a part of a word is not", build, "DOCKER_USERNAME", "acm", true},
		{"another name", build, "DOCKER_USERNAME", "robot", true},
		{"a password is secret wherever it stands", build, "DOCKER_PASSWORD", "acme", true},
		{"the name is in an image", deploy, "DOCKER_USERNAME", "acme", false},
		{"a digest is no name", deploy, "DOCKER_USERNAME", "sha256:00", true},
		{"commands publish nothing by name", command, "DOCKER_USERNAME", "acme", true},
		{"no settings", pipeline.Task{Stage: pipeline.StageSpec{Uses: "image"}}, "DOCKER_USERNAME", "acme", true},
	} {
		if parts, whole := maskOf(tc.task, tc.of, tc.value); whole != tc.whole || len(parts) != 0 {
			t.Errorf("%s: %q %v", tc.name, parts, whole)
		}
	}
}
