package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// replaced is an image that was put in the place of a name.
type replaced struct {
	name, stage, image string
	// built is false where the image is only proposed and was not published.
	built  bool
	places int
}

// replaceImages puts published images in the place of their names, wherever containers stand. publish is false where
// nothing is published: then the name stays, with a tag that says who builds it.
func replaceImages(objects []*object, images, published map[string]string, publish bool, w *wrongs) []replaced {
	var done []replaced
	for _, name := range slices.Sorted(maps.Keys(images)) {
		stage := images[name]
		r := replaced{name: name, stage: stage, image: published[stage], built: true}
		switch {
		case r.image != "":
		case publish:
			w.addf("", 0, "image", "`images` names the stage %s for %s, and that stage has published no image in this run", stage, name)
			continue
		default:
			r.image, r.built = repository(name)+":built-by-"+stage, false
		}
		for _, o := range objects {
			for _, t := range podTemplates(o.Unstructured) {
				for _, c := range t.containers() {
					if c.image() != "" && sameRepository(c.image(), name) {
						c.fields["image"] = r.image
						r.places++
					}
				}
			}
		}
		if r.places == 0 {
			w.addf("", 0, "image", "`images` names %s, and no container of the manifests uses it; they use %s", name, strings.Join(imagesIn(objects), ", "))
		}
		done = append(done, r)
	}
	return done
}

// imagesIn lists the images of all containers.
func imagesIn(objects []*object) []string {
	var names []string
	for _, o := range objects {
		for _, t := range podTemplates(o.Unstructured) {
			for _, c := range t.containers() {
				if c.image() != "" && !slices.Contains(names, c.image()) {
					names = append(names, c.image())
				}
			}
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return []string{"no image at all"}
	}
	return names
}

// repository is an image without its tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		return image[:at]
	}
	return image
}

// tagOf is the tag of an image; empty: it has none.
func tagOf(image string) string {
	name, _, _ := strings.Cut(image, "@")
	return strings.TrimPrefix(name[len(repository(name)):], ":")
}

// sameRepository compares names of images as container engines read them: app is docker.io/library/app.
func sameRepository(a, b string) bool { return canonical(repository(a)) == canonical(repository(b)) }

func canonical(repository string) string {
	host, rest, found := strings.Cut(repository, "/")
	if !found {
		return "docker.io/library/" + repository
	}
	if !strings.ContainsAny(host, ".:") && host != "localhost" {
		return "docker.io/" + repository
	}
	if host == "docker.io" && !strings.Contains(rest, "/") {
		return "docker.io/library/" + rest
	}
	return repository
}

// imagesSection shows what stands in the place of names.
func imagesSection(done []replaced) (pipeline.Section, bool) {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Name in the manifests"}, {Name: "Image"}, {Name: "Built by"}, {Name: "Containers", Right: true}}}
	for _, r := range done {
		image := r.image
		if !r.built {
			image = "the one this commit is built to; a pull request publishes none"
		}
		table.Rows = append(table.Rows, []string{r.name, image, r.stage, fmt.Sprint(r.places)})
	}
	return pipeline.Section{Title: "Images", Table: &table}, len(done) > 0
}
