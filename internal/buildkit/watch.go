package buildkit

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// Watcher sees a build go on. Its methods are called one at a time.
type Watcher interface {
	// Begin tells that a step has begun; the function it returns is called at its end.
	Begin(name string) (end func(Ending))
	// Log is a line that a step wrote.
	Log(step, line string)
	// Warn is a remark of the builder about a line of the Dockerfile; Line is 0 where it tells none.
	Warn(Warning)
}

// Ending is how a step ended.
type Ending struct {
	// Cached: it was done in an earlier build.
	Cached bool
	// Problem, where it failed, is its message.
	Problem string
}

// Warning is a remark about the Dockerfile.
type Warning struct {
	Line    int
	Message string
	URL     string
}

// tracker makes steps of what the builder tells of its vertices.
type tracker struct {
	to            Watcher
	open          map[digest.Digest]func(Ending)
	names         map[digest.Digest]string
	partial       map[digest.Digest]string
	ended         map[digest.Digest]bool
	taken         map[string]bool
	steps, cached int
}

func newTracker(to Watcher) *tracker {
	return &tracker{
		to: to, open: map[digest.Digest]func(Ending){}, names: map[digest.Digest]string{}, partial: map[digest.Digest]string{},
		ended: map[digest.Digest]bool{}, taken: map[string]bool{},
	}
}

// ofDockerfile are the steps of a Dockerfile, "[build 2/5] RUN make" or "[linux/arm64 2/2] COPY . .". A FROM does nothing.
var ofDockerfile = regexp.MustCompile(`^\[[^\]]*\d+/\d+\] `)

// maxName bounds the name of a step: a RUN may be a whole script.
const maxName = 120

func (t *tracker) see(s *client.SolveStatus) {
	for _, v := range s.Vertexes {
		t.vertex(v)
	}
	for _, log := range s.Logs {
		t.log(log)
	}
	for _, w := range s.Warnings {
		t.warn(w)
	}
}

func (t *tracker) vertex(v *client.Vertex) {
	if v.Started == nil || t.ended[v.Digest] {
		return
	}
	if _, known := t.names[v.Digest]; !known {
		t.begin(v)
	}
	if v.Completed == nil {
		return
	}
	t.ended[v.Digest] = true
	t.flush(v.Digest)
	if at := ofDockerfile.FindString(v.Name); at != "" && !strings.HasPrefix(v.Name[len(at):], "FROM ") {
		t.steps++
		if v.Cached {
			t.cached++
		}
	}
	if end := t.open[v.Digest]; end != nil {
		end(Ending{Cached: v.Cached, Problem: v.Error})
		delete(t.open, v.Digest)
	}
}

func (t *tracker) begin(v *client.Vertex) {
	name := t.unique(shorten(v.Name))
	t.names[v.Digest] = name
	if t.to != nil && !strings.HasPrefix(v.Name, "[internal]") {
		t.open[v.Digest] = t.to.Begin(name)
	}
}

// unique tells steps apart that say the same.
func (t *tracker) unique(name string) string {
	one := name
	for n := 2; t.taken[one]; n++ {
		one = name + " (" + strconv.Itoa(n) + ")"
	}
	t.taken[one] = true
	return one
}

// shorten is a step's name in one line of bounded length.
func shorten(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	runes := []rune(name)
	if len(runes) <= maxName {
		return name
	}
	return string(runes[:maxName-1]) + "…"
}

// log cuts what steps write into lines; two steps at a time write into each other's midst otherwise.
func (t *tracker) log(log *client.VertexLog) {
	if t.to == nil {
		return
	}
	text := t.partial[log.Vertex] + string(log.Data)
	for {
		line, rest, found := strings.Cut(text, "\n")
		if !found {
			break
		}
		t.to.Log(t.names[log.Vertex], lastOverwritten(line))
		text = rest
	}
	const maxLine = 64 << 10
	if len(text) > maxLine {
		t.to.Log(t.names[log.Vertex], lastOverwritten(text))
		text = ""
	}
	t.partial[log.Vertex] = text
}

// lastOverwritten is what a terminal would show of a line that was written over itself.
func lastOverwritten(line string) string {
	line = strings.TrimRight(line, "\r")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

func (t *tracker) flush(vertex digest.Digest) {
	if text := t.partial[vertex]; text != "" && t.to != nil {
		t.to.Log(t.names[vertex], lastOverwritten(text))
	}
	delete(t.partial, vertex)
}

func (t *tracker) warn(w *client.VertexWarning) {
	if t.to == nil {
		return
	}
	warning := Warning{Message: string(w.Short), URL: w.URL}
	if len(w.Range) > 0 {
		warning.Line = int(w.Range[0].GetStart().GetLine())
	}
	t.to.Warn(warning)
}

// end ends the steps that the builder did not: it was interrupted, or another one failed.
func (t *tracker) end() {
	left := make([]digest.Digest, 0, len(t.open))
	for vertex := range t.open {
		left = append(left, vertex)
	}
	slices.Sort(left)
	for _, vertex := range left {
		t.flush(vertex)
		t.open[vertex](Ending{Problem: "not finished"})
	}
	t.open = map[digest.Digest]func(Ending){}
}
