package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry/login"
)

// maskOf says what of a secret's value is secret, where that is not the whole of it. Most of a kubeconfig, such as
// `apiVersion: v1`, is in every manifest. The name by which a stage logs in to a registry is no secret where the images it
// works with bear it, docker.io/NAME/shop: they could not be told otherwise.
func maskOf(task pipeline.Task, name, value string) (parts []string, whole bool) {
	switch env := task.Environment; {
	case env != nil && env.Cluster != nil && env.Cluster.Kubeconfig == name:
		parts = cluster.SecretsOf([]byte(value))
		return parts, len(parts) == 0
	case name == login.User && slices.ContainsFunc(imagesOf(task), func(image string) bool { return bears(image, value) }):
		return nil, false
	default:
		return nil, true
	}
}

// imagesOf are the repository that an image stage publishes to, and the images that others work with, also those of
// releases.
func imagesOf(task pipeline.Task) []string {
	images := slices.Collect(maps.Values(task.Images))
	for _, release := range []*pipeline.Release{task.Restores, task.Current} {
		if release != nil {
			images = slices.AppendSeq(images, maps.Values(release.Images()))
		}
	}
	var with struct {
		Repository string `json:"repository"`
	}
	if task.Stage.Uses == "image" && json.Unmarshal(task.Stage.With, &with) == nil {
		images = append(images, with.Repository)
	}
	return images
}

// bears reports whether a part of an image's path is that name.
func bears(image, name string) bool {
	path, _, _ := strings.Cut(image, "@")
	return slices.Contains(strings.Split(path, "/"), name)
}
