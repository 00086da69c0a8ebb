package checks

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// maxNodes bounds a graph: larger ones are unreadable in a comment.
const maxNodes = 40

// node is a stage, or the legs of a matrix together, in a graph.
type node struct {
	label  string
	status pipeline.Status
	needs  []int
	last   bool // a summary: it comes after everything
}

// mermaid draws a run's stages for GitHub's Markdown; empty: there are too many, or too few to need a picture.
func mermaid(run pipeline.Run) string {
	stages := run.Current()
	nodes := nodesOf(stages, func(s pipeline.StageRun) string { return s.Spec.Key })
	if len(nodes) > maxNodes {
		nodes = nodesOf(stages, func(s pipeline.StageRun) string { return s.Spec.ID })
	}
	if len(nodes) > maxNodes || len(nodes) < 2 {
		return ""
	}
	var b strings.Builder
	b.WriteString("graph LR\n")
	needed := map[int]bool{}
	for i, n := range nodes {
		face := display.Status(n.status)
		fmt.Fprintf(&b, "  s%d[\"%s %s\"]:::%s\n", i, face.Sign, mermaidText(n.label), face.Tone)
		for _, need := range n.needs {
			needed[need] = true
		}
	}
	for i, n := range nodes {
		for _, need := range n.needs {
			fmt.Fprintf(&b, "  s%d --> s%d\n", need, i)
		}
		for j, other := range nodes {
			if n.last && !other.last && !needed[j] {
				fmt.Fprintf(&b, "  s%d -.-> s%d\n", j, i)
			}
		}
	}
	b.WriteString(mermaidClasses)
	return b.String()
}

// mermaidClasses are the tones of package display, readable on light and dark pages.
const mermaidClasses = `  classDef good fill:#dafbe1,stroke:#1a7f37,color:#1f2328
  classDef bad fill:#ffebe9,stroke:#d1242f,color:#1f2328
  classDef warn fill:#fff8c5,stroke:#9a6700,color:#1f2328
  classDef ask fill:#fbefff,stroke:#8250df,color:#1f2328
  classDef running fill:#ddf4ff,stroke:#0969da,color:#1f2328
  classDef wait fill:#f6f8fa,stroke:#818b98,color:#1f2328
  classDef quiet fill:#f6f8fa,stroke:#d1d9e0,color:#59636e`

// nodesOf makes one node of all stages of a name.
func nodesOf(stages []pipeline.StageRun, name func(pipeline.StageRun) string) []node {
	at, keys := map[string]int{}, map[string]int{}
	var nodes []node
	for _, s := range stages {
		i, known := at[name(s)]
		if !known {
			i = len(nodes)
			at[name(s)] = i
			nodes = append(nodes, node{label: name(s), status: s.Status, last: s.Spec.Uses == pipeline.UsesSummary})
		}
		keys[s.Spec.Key] = i
		if weight(s.Status) > weight(nodes[i].status) {
			nodes[i].status = s.Status
		}
	}
	for _, s := range stages {
		i := keys[s.Spec.Key]
		for _, need := range s.Spec.Needs {
			if j, known := keys[need.Stage]; known && j != i && !slices.Contains(nodes[i].needs, j) {
				nodes[i].needs = append(nodes[i].needs, j)
			}
		}
	}
	return nodes
}

// weight orders the states of stages that share a node: the one that matters most is shown.
func weight(s pipeline.Status) int {
	order := []pipeline.Status{
		pipeline.StatusSkipped, pipeline.StatusSuccess, pipeline.StatusNeutral, pipeline.StatusQueued, pipeline.StatusReady, pipeline.StatusCancelled,
		pipeline.StatusRunning, pipeline.StatusWaiting, pipeline.StatusTimedOut, pipeline.StatusFailure,
	}
	return slices.Index(order, s)
}

// mermaidText is hostile text in the quotes of a label: whatever has a meaning there is written by its number.
func mermaidText(s string) string {
	var b strings.Builder
	for _, r := range clip(display.Line(s), 60) {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" -_.,:/()…", r) {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, "#%d;", r)
	}
	return b.String()
}
