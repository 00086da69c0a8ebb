package kubernetes

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/strvals"
)

// capabilities are what a chart may ask about the cluster; the zero value: the cluster is not known.
type capabilities struct {
	version string // "v1.36.3"
	apis    []string
}

// chartObjects renders a Helm chart of the checkout: its templates, not Helm's releases. Templates see their values, the
// files of the chart, and what the cluster can do; they cannot look into the cluster or at the machine.
func chartObjects(in *files, dir string, settings Settings, server capabilities, w *wrongs) ([]*object, error) {
	loaded, err := loadChart(in, dir)
	if err != nil {
		return nil, failf("The chart cannot be read", "The chart %s cannot be read: %v.", dir, err)
	}
	if remote := remoteSchema(loaded); remote != "" {
		return nil, failf("The chart fetches from elsewhere",
			"A values.schema.json of the chart %s names %q. A deploy consists of what is in its commit: write what it needs into the schema itself.", dir, remote)
	}
	given, err := chartValues(in, settings.Helm)
	if err != nil {
		return nil, err
	}
	rendered, err := renderChart(loaded, given, settings, server)
	if err != nil {
		return nil, failf("The chart cannot be rendered", "The chart %s cannot be rendered: %s.", dir, strings.TrimSuffix(err.Error(), "."))
	}
	var objects []*object
	for _, crd := range loaded.CRDObjects() {
		objects = append(objects, parse(path.Join(dir, crd.File.Name), string(crd.File.Data), w)...)
	}
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		if path.Base(name) == "NOTES.txt" || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		file := name
		if _, inner, found := strings.Cut(name, "/"); found {
			file = path.Join(dir, inner)
		}
		for _, o := range parse(file, rendered[name], w) {
			if !onlyForHelm(o) {
				o.line, o.node = 0, nil // lines of the rendered text say nothing of the template's
				objects = append(objects, o)
			}
		}
	}
	return objects, nil
}

func loadChart(in *files, dir string) (*chart.Chart, error) {
	var buffered []*loader.BufferedFile
	err := fs.WalkDir(in.root.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := in.read(name)
		if err != nil {
			return err
		}
		buffered = append(buffered, &loader.BufferedFile{Name: strings.TrimPrefix(name, dir+"/"), Data: text})
		return nil
	})
	if err != nil {
		return nil, err
	}
	loaded, err := loader.LoadFiles(buffered)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, needed := range loaded.Metadata.Dependencies {
		if !slices.ContainsFunc(loaded.Dependencies(), func(c *chart.Chart) bool { return c.Name() == needed.Name }) {
			missing = append(missing, needed.Name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("the charts it depends on (%s) are not in its folder charts/: run `helm dependency build` and commit them", strings.Join(missing, ", "))
	}
	return loaded, nil
}

// chartValues merges the files of values, later ones winning, and the single values.
func chartValues(in *files, helm Helm) (map[string]any, error) {
	all := make(map[string]any)
	for _, name := range helm.Values {
		text, err := in.read(path.Clean(name))
		if err != nil {
			return nil, failf("The chart's values cannot be read", "%s, which `helm.values` names, cannot be read: %v.", name, err)
		}
		read, err := chartutil.ReadValues(text)
		if err != nil {
			return nil, failf("The chart's values cannot be read", "%s is no YAML: %s.", name, plainYAMLError(err))
		}
		all = merge(all, read)
	}
	for _, name := range slices.Sorted(maps.Keys(helm.Set)) {
		value := strings.NewReplacer(`\`, `\\`, ",", `\,`, "{", `\{`, "}", `\}`).Replace(helm.Set[name])
		if err := strvals.ParseInto(name+"="+value, all); err != nil {
			return nil, failf("The chart's values cannot be read", "`helm.set.%s` is no name of a value: %v.", name, err)
		}
	}
	return all, nil
}

// merge lays one mapping over another, key by key.
func merge(under, over map[string]any) map[string]any {
	out := maps.Clone(under)
	for name, value := range over {
		inner, isMapping := value.(map[string]any)
		below, wasMapping := out[name].(map[string]any)
		if isMapping && wasMapping {
			out[name] = merge(below, inner)
			continue
		}
		out[name] = value
	}
	return out
}

func renderChart(loaded *chart.Chart, given map[string]any, settings Settings, server capabilities) (map[string]string, error) {
	abilities := chartutil.DefaultCapabilities.Copy()
	if server.version != "" {
		version, err := chartutil.ParseKubeVersion(server.version)
		if err != nil {
			return nil, err
		}
		abilities.KubeVersion, abilities.APIVersions = *version, server.apis
	}
	if wanted := loaded.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, abilities.KubeVersion.Version) {
		return nil, fmt.Errorf("it wants Kubernetes %s, and the cluster has %s", wanted, abilities.KubeVersion.Version)
	}
	if err := chartutil.ProcessDependenciesWithMerge(loaded, given); err != nil {
		return nil, err
	}
	values, err := chartutil.ToRenderValues(loaded, given, chartutil.ReleaseOptions{
		Name: cmp.Or(settings.Helm.Release, loaded.Name()), Namespace: cmp.Or(settings.Namespace, "default"), Revision: 1, IsInstall: true,
	}, abilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(loaded, values)
}

// onlyForHelm are objects that Helm makes for a moment of its own: tests, and what goes with an uninstall or a rollback.
func onlyForHelm(o *object) bool {
	hook, is := o.GetAnnotations()["helm.sh/hook"]
	if !is {
		return false
	}
	for moment := range strings.SplitSeq(hook, ",") {
		switch strings.TrimSpace(moment) {
		case "pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install":
			return false
		}
	}
	return true
}
