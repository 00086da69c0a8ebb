package pipeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// PartKind is what a part of a candidate is.
type PartKind string

// The kinds of parts that preparations fix.
const (
	// PartImage is an image by digest: "registry/repository@sha256:…". Its name is the id of the stage that built it.
	PartImage PartKind = "image"
	// PartPlan is the hash of a saved plan of infrastructure. Its name is the key of its stage.
	PartPlan PartKind = "plan"
	// PartManifests is the hash of rendered manifests. Its name is the key of its stage.
	PartManifests PartKind = "manifests"
)

// Part is one thing that a preparation has fixed, and that people approve.
type Part struct {
	Kind  PartKind `json:"kind"`
	Name  string   `json:"name"`
	Value string   `json:"value"`
	// Detail says in a few words what it does: "3 to add, 1 to destroy".
	Detail string `json:"detail,omitempty"`
	// ExtraApproval, where set, is why one approval more is needed: "the plan destroys 2 resources". In a candidate it is left
	// out where the default branch lets the stage destroy.
	ExtraApproval string `json:"extra_approval,omitempty"`
	// Lost names what is destroyed for good or for long: "the database aws_db_instance.main". No setting hides it.
	Lost string `json:"lost,omitempty"`
}

// Candidate is exactly what would enter an environment. People approve a candidate, not a branch.
type Candidate struct {
	Environment string `json:"environment"`
	Action      Action `json:"action"`
	Commit      string `json:"commit"`
	// Base is the commit of the branch that the pull request wants to enter; empty where the commit is on its branch.
	Base string `json:"base,omitempty"`
	// Parts are sorted by kind and name.
	Parts []Part `json:"parts,omitempty"`
	// Configuration is the hash of the environment's rules and targets, and of what its stages are to do.
	Configuration string `json:"configuration"`
}

// Fingerprint is the one value that changes when anything of the candidate does.
func (c Candidate) Fingerprint() string {
	parts := make([][3]string, 0, len(c.Parts))
	for _, p := range c.Parts {
		parts = append(parts, [3]string{string(p.Kind), p.Name, p.Value})
	}
	return hashOf(c.Environment, c.Action, c.Commit, c.Base, parts, c.Configuration)
}

// Moved names what differs in a newer candidate, in words, most telling first; empty: nothing does.
func (c Candidate) Moved(now Candidate) []string {
	var moved []string
	differ := func(name, was, is string) {
		if was != is {
			moved = append(moved, fmt.Sprintf("the %s moved from %s to %s", name, shortValue(was), shortValue(is)))
		}
	}
	differ("commit", c.Commit, now.Commit)
	differ("base", c.Base, now.Base)
	for _, name := range partNames(c.Parts, now.Parts) {
		differ(name.String(), c.part(name), now.part(name))
	}
	if c.Configuration != now.Configuration {
		moved = append(moved, "the configuration of the environment or of its stages changed")
	}
	if c.Environment != now.Environment || c.Action != now.Action {
		moved = append(moved, "what is asked for changed")
	}
	return moved
}

// Extends reports whether a candidate is an earlier one with more parts, and nothing of that one moved: what could only be
// prepared after a part of the change.
func (c Candidate) Extends(earlier Candidate) bool {
	known := partNames(earlier.Parts, nil)
	c.Parts = slices.DeleteFunc(slices.Clone(c.Parts), func(p Part) bool { return !slices.Contains(known, partName{p.Kind, p.Name}) })
	return c.Fingerprint() == earlier.Fingerprint()
}

// ExtraApproval is why one approval more is needed; empty: it is not.
func (c Candidate) ExtraApproval() string {
	for _, p := range c.Parts {
		if p.ExtraApproval != "" {
			return p.ExtraApproval
		}
	}
	return ""
}

// Lost names what it destroys for good or for long; empty: nothing of that kind.
func (c Candidate) Lost() string {
	var lost []string
	for _, p := range c.Parts {
		if p.Lost != "" {
			lost = append(lost, p.Lost)
		}
	}
	return strings.Join(lost, ", ")
}

// Images are the images by the id of the stage that built them.
func (c Candidate) Images() map[string]string {
	images := make(map[string]string)
	for _, p := range c.Parts {
		if p.Kind == PartImage {
			images[p.Name] = p.Value
		}
	}
	return images
}

type partName struct {
	kind PartKind
	name string
}

func (n partName) String() string { return string(n.kind) + " of " + n.name }

func partNames(a, b []Part) []partName {
	var names []partName
	for _, p := range slices.Concat(a, b) {
		if n := (partName{p.Kind, p.Name}); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// part is a part's value; legs of a matrix may share a name, and are told together.
func (c Candidate) part(n partName) string {
	var values []string
	for _, p := range c.Parts {
		if p.Kind == n.kind && p.Name == n.name {
			values = append(values, p.Value)
		}
	}
	return strings.Join(values, ", ")
}

func sortParts(parts []Part) {
	slices.SortFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
}

// shortValue is a hash or an image as people compare them.
func shortValue(v string) string {
	const shown = 12
	switch {
	case v == "":
		return "nothing"
	case len(v) > shown && !strings.ContainsAny(v, "@ "):
		return v[:shown]
	default:
		return v
	}
}

// hashOf is the hash of values as canonical JSON.
func hashOf(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		// Only a value that is no data can fail, and none such is hashed; should one be, it equals nothing.
		text = []byte(err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// CandidateOf is what would enter an environment now, from what its stages and those before them have fixed. rules are
// the environment's as they are now.
func (r *Run) CandidateOf(environment string, rules EnvironmentDefinition, base string) Candidate {
	c := Candidate{Environment: environment, Commit: r.Trigger.SHA, Base: base, Action: ActionDeploy}
	if e := r.Entry(environment); e != nil {
		c.Action = e.Action
	}
	latest, stages := r.latest(), r.entering(environment)
	definitions := make([]string, 0, len(stages))
	before := latest.before(stages...)
	for i := range r.Stages {
		s := &r.Stages[i]
		if !s.Superseded && s.Spec.Environment == "" && before[s.Spec.Key] {
			c.Parts = append(c.Parts, s.Result.Parts...)
		}
	}
	for _, s := range stages {
		c.Parts = append(c.Parts, letDestroy(rules, s)...)
		definitions = append(definitions, specHash(s.Spec))
	}
	if r.Restores != nil {
		c.Parts = mergeParts(restored(r.Restores.Parts), c.Parts)
	}
	sortParts(c.Parts)
	rules.Drift = nil // it guards nothing
	c.Configuration = hashOf(rules, definitions)
	return c
}

// letDestroy are a stage's parts, without the approval more for what it destroys where the rules let it do so.
func letDestroy(rules EnvironmentDefinition, s *StageRun) []Part {
	if !slices.Contains(rules.DestroyingStages, s.Spec.ID) {
		return s.Result.Parts
	}
	parts := slices.Clone(s.Result.Parts)
	for i := range parts {
		parts[i].ExtraApproval = ""
	}
	return parts
}

// restored are the parts of a release that a rollback brings back as they are: its images. What else it held is prepared
// anew from it, or, as with a plan of infrastructure, not touched.
func restored(parts []Part) []Part {
	var images []Part
	for _, p := range parts {
		if p.Kind == PartImage {
			p.ExtraApproval, p.Lost = "", ""
			images = append(images, p)
		}
	}
	return images
}

// specHash is of what a stage is to do, without what only says when, or is only told.
func specHash(spec StageSpec) string {
	spec.Needs, spec.Hold, spec.Skip, spec.Alike = nil, "", "", nil
	return hashOf(spec)
}
