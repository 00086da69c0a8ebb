package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/slipwayhq/slipway/internal/imagetest"
)

// WriteBase makes the image that the example's Dockerfile begins with and leaves it in dir, an OCI layout, unless it lies
// there already. It is published from there by the demo.
func WriteBase(ctx context.Context, dir string, s Source) (words string, err error) {
	python, err := findInterpreter(ctx, pythonVersion)
	if err != nil {
		return "", err
	}
	release, err := suite()
	if err != nil {
		return "", err
	}
	name := "library/python:" + pythonVersion + "-slim"
	words = fmt.Sprintf("Debian %s with this machine's CPython %s (revision %s)", release, python.version, revision)
	if lies(dir, name, words) {
		return "", nil
	}
	d := &debianImages{source: s, python: python}
	made, err := d.withPython(ctx)
	if err != nil {
		return "", err
	}
	half := strings.TrimSuffix(dir, "/") + ".half"
	if err := os.RemoveAll(half); err != nil {
		return "", err
	}
	path, err := layout.Write(half, empty.Index)
	if err != nil {
		return "", err
	}
	if err := path.AppendImage(made, layout.WithAnnotations(map[string]string{
		imagetest.AnnotationName: name, imagetest.AnnotationWords: words,
	})); err != nil {
		return "", err
	}
	return words, errors.Join(os.RemoveAll(dir), os.Rename(half, filepath.Clean(dir)))
}

// lies reports whether the folder holds the image, made of the same.
func lies(dir, name, words string) bool {
	path, err := layout.FromPath(dir)
	if err != nil {
		return false
	}
	index, err := path.ImageIndex()
	if err != nil {
		return false
	}
	var manifest *v1.IndexManifest
	if manifest, err = index.IndexManifest(); err != nil || len(manifest.Manifests) != 1 {
		return false
	}
	have := manifest.Manifests[0].Annotations
	return have[imagetest.AnnotationName] == name && have[imagetest.AnnotationWords] == words
}
