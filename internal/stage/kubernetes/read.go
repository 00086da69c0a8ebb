package kubernetes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/util/json"
)

// Bounds of what is read; real sets of manifests stay well below them.
const (
	maxFile    = 4 << 20
	maxRead    = 32 << 20
	maxObjects = 5000
)

// unmarshalJSON keeps whole numbers whole, as the API's own types do.
func unmarshalJSON(text []byte, into *map[string]any) error { return json.Unmarshal(text, into) }

// files reads files of the checkout, all together no more than maxRead. Nothing outside of the checkout is reached,
// whatever links say.
type files struct {
	root *os.Root
	left int64
}

func newFiles(root *os.Root) *files { return &files{root: root, left: maxRead} }

var errTooMuch = fmt.Errorf("the manifests and what they use have more than %d MiB", maxRead>>20)

func (f *files) read(name string) ([]byte, error) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would make the reader wait for ever
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", name)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has more than %d MiB", name, maxFile>>20)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, err
	}
	if f.left -= int64(len(text)); f.left < 0 {
		return nil, errTooMuch
	}
	return text, nil
}

func (f *files) isDir(name string) bool {
	info, err := f.root.Stat(name)
	return err == nil && info.IsDir()
}

func (f *files) exists(name string) bool {
	_, err := f.root.Stat(name)
	return err == nil
}

// kinds of sources.
const (
	fromManifests     = "manifests"
	fromKustomization = "kustomization"
	fromChart         = "chart"
)

// source is what the objects were made of.
type source struct {
	objects []*object
	// kinds are those of the sources: manifests, kustomization, chart.
	kinds []string
	// roots are the folders that patterns of phases are relative to, besides the checkout.
	roots []string
}

// kustomizationNames are those kustomize itself looks for.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} //nolint:gochecknoglobals // a constant list; Go has no constant slices

// read makes objects of everything that `manifests` names.
func read(root *os.Root, settings Settings, server capabilities) (source, error) {
	var (
		out source
		w   wrongs
		in  = newFiles(root)
	)
	for _, name := range settings.Manifests {
		name = path.Clean(name)
		objects, kind, err := readOne(in, name, settings, server, &w)
		if err != nil {
			return source{}, err
		}
		out.objects = append(out.objects, objects...)
		out.kinds = append(out.kinds, kind)
		if in.isDir(name) {
			out.roots = append(out.roots, name)
		}
		if len(out.objects) > maxObjects {
			return source{}, failf("Too many objects", "The manifests hold more than %d objects.", maxObjects)
		}
	}
	twice(out.objects, &w)
	if err := w.err(); err != nil {
		return source{}, err
	}
	if len(out.objects) == 0 {
		return source{}, failf("There is nothing to deploy", "%s holds no Kubernetes object.", strings.Join(settings.Manifests, ", "))
	}
	return out, nil
}

func readOne(in *files, name string, settings Settings, server capabilities, w *wrongs) ([]*object, string, error) {
	info, err := in.root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", failf("There are no manifests", "The commit has no %s, which `manifests` of the stage names.", name)
	case err != nil:
		return nil, "", failf("The manifests cannot be read", "%s cannot be read: %v.", name, err)
	case !info.IsDir():
		if slices.Contains(kustomizationNames, path.Base(name)) {
			objects, err := kustomize(in, path.Dir(name), w)
			return objects, fromKustomization, err
		}
		objects, err := readFile(in, name, w)
		return objects, fromManifests, err
	case slices.ContainsFunc(kustomizationNames, func(k string) bool { return in.exists(path.Join(name, k)) }):
		objects, err := kustomize(in, name, w)
		return objects, fromKustomization, err
	case in.exists(path.Join(name, "Chart.yaml")):
		objects, err := chartObjects(in, name, settings, server, w)
		return objects, fromChart, err
	}
	objects, err := readFolder(in, name, w)
	return objects, fromManifests, err
}

func readFile(in *files, name string, w *wrongs) ([]*object, error) {
	text, err := in.read(name)
	if err != nil {
		return nil, failf("The manifests cannot be read", "%s cannot be read: %v.", name, err)
	}
	return parse(name, string(text), w), nil
}

// readFolder reads the manifests that lie in a folder, as `kubectl apply -f` does: not those of folders within.
func readFolder(in *files, name string, w *wrongs) ([]*object, error) {
	entries, err := fs.ReadDir(in.root.FS(), name)
	if err != nil {
		return nil, failf("The manifests cannot be read", "%s cannot be listed: %v.", name, err)
	}
	var (
		objects []*object
		found   int
	)
	for _, entry := range entries {
		if entry.IsDir() || !isManifest(entry.Name()) {
			continue
		}
		found++
		more, err := readFile(in, path.Join(name, entry.Name()), w)
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	if found == 0 {
		return nil, failf("There are no manifests", "The folder %s holds no .yaml, .yml or .json file. Folders within it are not looked into: name them under `manifests`.", name)
	}
	return objects, nil
}

func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name))
}
