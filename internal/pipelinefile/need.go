package pipelinefile

import (
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// needs reports what `needs` cannot mean: stages that do not exist, stages named twice, circles.
func (d *decoder) needs(stages []pipeline.StageDefinition) {
	ids := make([]string, len(stages))
	for i, s := range stages {
		ids[i] = s.ID
	}
	for _, s := range stages {
		named := make(map[string]bool, len(s.Needs))
		for i, n := range s.Needs {
			at := d.needPlace(s.ID, i)
			switch {
			case n.Stage == "": // not text; reported already
			case n.Stage == s.ID:
				d.problemf(at, "names the stage itself: remove it")
			case !slices.Contains(ids, n.Stage):
				d.problemf(at, "names %s, which is no stage of this file: %s", show(n.Stage), unknown(n.Stage, ids))
			case named[n.Stage]:
				d.problemf(at, "repeats %s: name it once", show(n.Stage))
			}
			named[n.Stage] = true
		}
	}
	d.cycles(stages)
}

// needPlace is where the i-th need stands: in a list, or alone.
func (d *decoder) needPlace(id string, i int) path {
	at := path("stages").key(id).key("needs")
	if below := at.index(i); d.has(below) {
		return below
	}
	return at
}

// cycles reports each circle of needs once, at the need that closes it.
func (d *decoder) cycles(stages []pipeline.StageDefinition) {
	byID := make(map[string]pipeline.StageDefinition, len(stages))
	for _, s := range stages {
		byID[s.ID] = s
	}
	done := make(map[string]bool, len(stages))
	var walk []string
	var visit func(id string)
	visit = func(id string) {
		walk = append(walk, id)
		for i, n := range byID[id].Needs {
			if n.Stage == id || done[n.Stage] {
				continue
			}
			if from := slices.Index(walk, n.Stage); from >= 0 {
				d.problemf(d.needPlace(id, i), "closes a circle, in which no stage could ever start: %s; remove one of these needs", circle(walk[from:]))
				continue
			}
			if _, exists := byID[n.Stage]; exists {
				visit(n.Stage)
			}
		}
		walk = walk[:len(walk)-1]
		done[id] = true
	}
	for _, s := range stages {
		if !done[s.ID] {
			visit(s.ID)
		}
	}
}

func circle(ids []string) string {
	steps := make([]string, len(ids))
	for i, id := range ids {
		steps[i] = id + " needs " + ids[(i+1)%len(ids)]
	}
	return strings.Join(steps, ", ")
}

// imageUse is a stage that uses the image another one builds.
type imageUse struct {
	at            path
	user, builder string
}

// noteImages keeps the uses of images until all stages are known.
func (d *decoder) noteImages(user string, images map[string]string, at path) {
	for name, builder := range images {
		d.images = append(d.images, imageUse{at.key(name), user, builder})
	}
}

// imageUses checks that a stage that uses another's image comes after it.
func (d *decoder) imageUses(stages []pipeline.StageDefinition) {
	byID := make(map[string]pipeline.StageDefinition, len(stages))
	var builders []string
	for _, s := range stages {
		byID[s.ID] = s
		if s.Uses == usesImage {
			builders = append(builders, s.ID)
		}
	}
	for _, use := range d.images {
		switch {
		case len(builders) == 0:
			d.problemf(use.at, "names %s, but no stage of this file builds an image: add one that uses image", show(use.builder))
		case !slices.Contains(builders, use.builder):
			d.problemf(use.at, "names %s, which is no stage that uses image: %s", show(use.builder), unknown(use.builder, builders))
		case !reaches(byID, use.user, use.builder):
			d.problemf(use.at, "uses the image of %s, but %s does not come after it: add %s to its needs", use.builder, use.user, use.builder)
		}
	}
}

// reaches reports whether a stage needs another, itself or through others.
func reaches(byID map[string]pipeline.StageDefinition, from, to string) bool {
	seen := map[string]bool{from: true}
	for open := []string{from}; len(open) > 0; open = open[1:] {
		for _, n := range byID[open[0]].Needs {
			if n.Stage == to {
				return true
			}
			if !seen[n.Stage] {
				seen[n.Stage] = true
				open = append(open, n.Stage)
			}
		}
	}
	return false
}
