package image

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// dockerfile is what is read of a Dockerfile before it is built.
type dockerfile struct {
	// syntax is the frontend that its first line asks for; empty: any. syntaxLine is where it does.
	syntax     string
	syntaxLine int
	stages     []instructions.Stage
	// bases are the images it takes from elsewhere, by name; complete says that these are all, and that nothing else is
	// fetched without a checksum.
	bases    []string
	complete bool
	// final is the base of the stage that becomes the image, following stages that build on others.
	final string
	// labels are those that the final stage sets by itself.
	labels map[string]bool
	lines  []instruction
	// from is the line that the stage begins with which becomes the image; 0: unknown.
	from int
}

// instruction is where an instruction stands, to find it again by what the image's history says.
type instruction struct {
	text       string
	first, end int
}

// syntaxError is a Dockerfile that cannot be read.
type syntaxError struct {
	line, end int
	message   string
}

func (e *syntaxError) Error() string { return e.message }

// parse reads a Dockerfile in the language that BuildKit's own frontend knows. target is the stage that is asked for, args
// are the build arguments. An error is a *syntaxError.
func parse(text []byte, target string, args map[string]string) (dockerfile, error) {
	d := dockerfile{complete: true, labels: map[string]bool{}}
	if ref, _, at, found := parser.DetectSyntax(text); found {
		d.syntax = ref
		if len(at) > 0 {
			d.syntaxLine = at[0].Start.Line
		}
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return d, located(err)
	}
	stages, global, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		return d, located(err)
	}
	d.stages = stages
	for _, node := range tree.AST.Children {
		d.lines = append(d.lines, instruction{normal(node.Original), node.StartLine, node.EndLine})
	}
	words := expander{lex: shell.NewLex(tree.EscapeToken), env: globals(global, args)}
	d.follow(target, words)
	for _, stage := range stages {
		d.fetches(stage, words)
	}
	return d, nil
}

func located(err error) error {
	problem := &syntaxError{message: err.Error()}
	if at, ok := errors.AsType[*parser.LocationError](err); ok && len(at.Locations) > 0 && len(at.Locations[0]) > 0 {
		place := at.Locations[0]
		problem.line, problem.end = place[0].Start.Line, place[len(place)-1].End.Line
	}
	return problem
}

// expander fills in the arguments that stand before the first FROM.
type expander struct {
	lex *shell.Lex
	env shell.EnvGetter
}

func globals(global []instructions.ArgCommand, args map[string]string) shell.EnvGetter {
	var env []string
	for _, command := range global {
		for _, arg := range command.Args {
			value, given := args[arg.Key]
			if !given && arg.Value != nil {
				value, given = *arg.Value, true
			}
			if given {
				env = append(env, arg.Key+"="+value)
			}
		}
	}
	return shell.EnvsFromSlice(env)
}

// word expands a name; false: it holds what only the builder knows, such as TARGETPLATFORM.
func (e expander) word(text string) (string, bool) {
	expanded, err := e.lex.ProcessWordWithMatches(text, e.env)
	return expanded.Result, err == nil && len(expanded.Unmatched) == 0
}

// gitOverSSH is how scp writes a place on another machine.
var gitOverSSH = regexp.MustCompile(`^[\w-]+@[\w.-]+:`)

// local reports whether what ADD takes is surely a file of the context. Arguments of a stage may hold anything, a whole URL
// for instance, unless a path has begun before them.
func (e expander) local(source string) bool {
	expanded, err := e.lex.ProcessWordWithMatches(source, shell.EnvsFromSlice(nil))
	if err != nil {
		return false
	}
	path := expanded.Result
	if len(expanded.Unmatched) > 0 {
		path, _, _ = strings.Cut(source, "$")
		return strings.Contains(path, "/") && !strings.Contains(path, ":")
	}
	return !strings.Contains(path, "://") && !gitOverSSH.MatchString(path)
}

// follow finds the base of the image: the image that the last stage, or the one asked for, is built on.
func (d *dockerfile) follow(target string, words expander) {
	at := len(d.stages) - 1
	if i, found := instructions.HasStage(d.stages, target); found && target != "" {
		at = i
	}
	if at >= 0 && len(d.stages[at].Location) > 0 {
		d.from = d.stages[at].Location[0].Start.Line
	}
	for at >= 0 {
		for _, command := range d.stages[at].Commands {
			if label, ok := command.(*instructions.LabelCommand); ok {
				for _, pair := range label.Labels {
					d.labels[pair.Key] = true
				}
			}
		}
		base, _ := words.word(d.stages[at].BaseName)
		d.final = base
		before, found := instructions.HasStage(d.stages[:at], base)
		if !found {
			return
		}
		at = before
	}
}

// fetches notes what a stage takes from elsewhere.
func (d *dockerfile) fetches(stage instructions.Stage, words expander) {
	d.image(stage.BaseName, words)
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			d.image(c.From, words)
		case *instructions.AddCommand:
			for _, source := range c.SourcePaths {
				d.complete = d.complete && (c.Checksum != "" || words.local(source))
			}
		case *instructions.RunCommand:
			for _, mount := range instructions.GetMounts(c) {
				d.image(mount.From, words)
			}
		}
	}
}

func (d *dockerfile) image(name string, words expander) {
	if name == "" || name == "scratch" {
		return
	}
	if _, stage := instructions.HasStage(d.stages, name); stage {
		return
	}
	name, known := words.word(name)
	if !known || name == "" {
		d.complete = false
		return
	}
	if _, stage := instructions.HasStage(d.stages, name); stage || name == "scratch" {
		return
	}
	if !slices.Contains(d.bases, name) {
		d.bases = append(d.bases, name)
	}
}

// lineOf finds the instruction that the image's history says made a layer: "COPY . /app # buildkit".
func (d dockerfile) lineOf(createdBy string) (first, end int) {
	wanted := normal(strings.TrimSuffix(strings.TrimSpace(createdBy), "# buildkit"))
	// With build arguments it begins with how many and which: "RUN |1 VERSION=1 /bin/sh -c make".
	if _, shell, found := strings.Cut(wanted, "/bin/sh -c "); found && strings.HasPrefix(wanted, "RUN ") {
		wanted = "RUN " + shell
	}
	for _, one := range d.lines {
		if one.text == wanted {
			return one.first, one.end
		}
	}
	return 0, 0
}

// normal is an instruction with single spaces, its word in capitals, and without its flags, which history leaves out.
func normal(text string) string {
	fields := strings.Fields(strings.ReplaceAll(text, "\\\n", " "))
	if len(fields) > 0 {
		fields[0] = strings.ToUpper(fields[0])
	}
	for len(fields) > 1 && strings.HasPrefix(fields[1], "--") {
		fields = slices.Delete(fields, 1, 2)
	}
	return strings.Join(fields, " ")
}
