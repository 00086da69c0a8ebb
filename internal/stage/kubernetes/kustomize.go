package kubernetes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	sigsyaml "sigs.k8s.io/yaml"
)

const (
	originAnnotation = "config.kubernetes.io/origin"
	buildMetadata    = "buildMetadata"
)

// kustomize builds a kustomization of the checkout: without plug-ins, without Helm, without anything from elsewhere.
func kustomize(in *files, dir string, w *wrongs) ([]*object, error) {
	tree := &readOnly{files: in, top: dir}
	built, err := krusty.MakeKustomizer(&krusty.Options{
		Reorder: krusty.ReorderOptionNone, LoadRestrictions: types.LoadRestrictionsRootOnly, PluginConfig: types.DisabledPluginConfig(),
	}).Run(tree, absolute(dir))
	if tree.refused != nil {
		return nil, tree.refused // kustomize may have gone on without the file
	}
	if err != nil {
		return nil, failf("The kustomization cannot be built", "kustomize build %s: %s.", dir, strings.TrimSuffix(strings.ReplaceAll(err.Error(), absolute(""), ""), "."))
	}
	var objects []*object
	for _, resource := range built.Resources() {
		text, err := resource.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("read what kustomize built: %w", err)
		}
		fields := make(map[string]any)
		if err := unmarshalJSON(text, &fields); err != nil {
			return nil, fmt.Errorf("read what kustomize built: %w", err)
		}
		o := &object{Unstructured: &unstructured.Unstructured{Object: fields}, path: dir}
		locate(in, dir, o)
		if complete(o, w) {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// locate finds the file and the line an object came from, by the note that kustomize left on it.
func locate(in *files, dir string, o *object) {
	annotations := o.GetAnnotations()
	note, noted := annotations[originAnnotation]
	if !noted {
		return
	}
	delete(annotations, originAnnotation)
	if len(annotations) == 0 {
		annotations = nil
	}
	o.SetAnnotations(annotations)
	var origin struct {
		Path         string `json:"path"`
		ConfiguredIn string `json:"configuredIn"`
	}
	if err := sigsyaml.Unmarshal([]byte(note), &origin); err != nil {
		return // its file is then the folder
	}
	if origin.Path == "" {
		if origin.ConfiguredIn != "" {
			o.path = path.Join(dir, origin.ConfiguredIn)
		}
		return
	}
	o.path = path.Join(dir, origin.Path)
	text, err := in.read(o.path)
	if err != nil {
		return
	}
	var ignored wrongs // kustomize has read the file
	for _, written := range parse(o.path, string(text), &ignored) {
		if written.GetKind() == o.GetKind() && strings.Contains(o.GetName(), written.GetName()) {
			o.line, o.node = written.line, written.node
			return
		}
	}
}

// absolute is a path of the checkout as kustomize wants it; the checkout is its whole world.
func absolute(name string) string { return path.Join("/", name) }

func relative(name string) string {
	name = strings.TrimPrefix(path.Clean(filepath.ToSlash(name)), "/")
	if name == "" {
		return "."
	}
	return name
}

// readOnly is a checkout as a file system of kustomize.
type readOnly struct {
	*files
	// top is the folder that is built.
	top string
	// refused is why a file was withheld.
	refused error
}

var (
	_            filesys.FileSystem = (*readOnly)(nil)
	errReadsOnly                    = errors.New("nothing is written while manifests are read")
)

func (*readOnly) Create(string) (filesys.File, error) { return nil, errReadsOnly }
func (*readOnly) Mkdir(string) error                  { return errReadsOnly }
func (*readOnly) MkdirAll(string) error               { return errReadsOnly }
func (*readOnly) RemoveAll(string) error              { return errReadsOnly }
func (*readOnly) WriteFile(string, []byte) error      { return errReadsOnly }

func (r *readOnly) Open(name string) (filesys.File, error) { return r.root.Open(relative(name)) }
func (r *readOnly) IsDir(name string) bool                 { return r.isDir(relative(name)) }
func (r *readOnly) Exists(name string) bool                { return r.exists(relative(name)) }

func (r *readOnly) ReadDir(name string) ([]string, error) {
	entries, err := fs.ReadDir(r.root.FS(), relative(name))
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

func (r *readOnly) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	clean := absolute(relative(name))
	switch {
	case r.IsDir(clean):
		return filesys.ConfirmedDir(clean), "", nil
	case r.Exists(clean):
		return filesys.ConfirmedDir(path.Dir(clean)), path.Base(clean), nil
	}
	return "", "", &fs.PathError{Op: "find", Path: relative(name), Err: fs.ErrNotExist}
}

func (r *readOnly) Glob(pattern string) ([]string, error) {
	found, err := fs.Glob(r.root.FS(), relative(pattern))
	for i := range found {
		found[i] = absolute(found[i])
	}
	return found, err
}

func (r *readOnly) Walk(name string, walk filepath.WalkFunc) error {
	return fs.WalkDir(r.root.FS(), relative(name), func(name string, entry fs.DirEntry, err error) error {
		var info os.FileInfo
		if entry != nil && err == nil {
			info, err = entry.Info()
		}
		return walk(absolute(name), info, err)
	})
}

// ReadFile reads a file for kustomize. One that steers kustomize must not send it elsewhere: it would fetch what the text
// names, from within and with git.
func (r *readOnly) ReadFile(name string) ([]byte, error) {
	name = relative(name)
	text, err := r.read(name)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(kustomizationNames, path.Base(name)) {
		return text, r.refuse(name, builtinRemote(string(text)))
	}
	var fields map[string]any
	if err := sigsyaml.Unmarshal(text, &fields); err != nil {
		return text, nil //nolint:nilerr // kustomize says better what is wrong with it, and does not use it
	}
	if err := r.refuse(name, findRemote(fields)); err != nil {
		return nil, err
	}
	if name == path.Join(r.top, path.Base(name)) {
		return withOrigins(text, fields), nil
	}
	return text, nil
}

// refuse withholds a file that names something elsewhere.
func (r *readOnly) refuse(name, remote string) error {
	if remote == "" {
		return nil
	}
	r.refused = failf("The kustomization fetches from elsewhere",
		"%s names %q. A deploy consists of what is in its commit: put a copy into the repository.", name, remote)
	return r.refused
}

// withOrigins asks kustomize to note where each object came from.
func withOrigins(text []byte, fields map[string]any) []byte {
	asked, _ := fields[buildMetadata].([]any)
	if slices.Contains(asked, any("originAnnotations")) {
		return text
	}
	fields[buildMetadata] = append(slices.Clone(asked), "originAnnotations")
	changed, err := sigsyaml.Marshal(fields)
	if err != nil {
		return text // without the notes
	}
	return changed
}
