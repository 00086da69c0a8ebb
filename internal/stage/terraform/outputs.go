package terraform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
)

const (
	outputsFile = "terraform-outputs.json"
	// maxValue bounds an output in the artifact; a longer one is named only.
	maxValue = 4 << 20
	// maxValues bounds the artifact.
	maxValues = 32 << 20
	shownRows = 100
	shownText = 200
)

// outputs are those of the root module, as far as they may be told.
type outputs struct {
	values map[string]json.RawMessage
	// sensitive and large are left out by name.
	sensitive, large []string
	bytes            int
}

func (o *outputs) add(name string, sensitive bool, value json.RawMessage) {
	switch {
	case sensitive:
		o.sensitive = append(o.sensitive, name)
	case len(value) > maxValue || o.bytes+len(value) > maxValues:
		o.large = append(o.large, name)
	default:
		if o.values == nil {
			o.values = make(map[string]json.RawMessage)
		}
		o.values[name] = slices.Clone(value)
		o.bytes += len(value)
	}
}

// variable is what a name must be to become one of the environment.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,99}$`)

// hand makes the values outputs of the stage, as far as they fit into variables, and names those that do not.
func (o *outputs) hand(s runner.Session) (left []string) {
	room := maxOutputs
	for _, name := range sortedKeys(o.values) {
		text := report.OutputText(o.values[name])
		if !variable.MatchString(name) || len(text) > maxOutput || len(text) > room || strings.ContainsRune(text, 0) {
			left = append(left, name)
			continue
		}
		room -= len(text)
		s.Output(name, text)
	}
	return left
}

// readOutputs asks for the outputs after an apply. One of a hundred megabytes is read away, not kept.
func (a *attempt) readOutputs(ctx context.Context) (outputs, error) {
	read, write := io.Pipe()
	type answer struct {
		outputs outputs
		secrets []string
		err     error
	}
	answered := make(chan answer, 1)
	go func() {
		o, secrets, err := decodeOutputs(read)
		_, drained := io.Copy(io.Discard, read) // a writer that nobody reads would wait for ever
		answered <- answer{o, secrets, errors.Join(err, drained)}
	}()
	exit, err := a.run(ctx, command{args: []string{"output", "-json", "-no-color"}, access: true, stdout: write})
	_ = write.Close() // never fails
	got := <-answered
	switch {
	case err != nil:
		return outputs{}, err
	case !exit.OK():
		return outputs{}, a.broken("terraform output", exit)
	case got.err != nil:
		return outputs{}, fmt.Errorf("read the outputs: %w", got.err)
	}
	for i, value := range got.secrets {
		if err := a.s.Conceal(fmt.Sprintf("sensitive output %d", i+1), value); err != nil {
			return outputs{}, err
		}
	}
	return got.outputs, nil
}

// decodeOutputs reads one output after the other; the texts of sensitive ones are returned to be masked.
func decodeOutputs(r io.Reader) (o outputs, secrets []string, err error) {
	decoder := json.NewDecoder(r)
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return o, nil, errors.Join(errors.New("they are no JSON object"), err)
	}
	var found report.Sensitive
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return o, nil, err
		}
		name, ok := token.(string)
		if !ok {
			return o, nil, fmt.Errorf("%v instead of a name", token)
		}
		var value struct {
			Sensitive bool            `json:"sensitive"`
			Value     json.RawMessage `json:"value"`
		}
		if err := decoder.Decode(&value); err != nil {
			return o, nil, fmt.Errorf("%s: %w", name, err)
		}
		if value.Sensitive {
			found.AddJSON(value.Value)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, value.Value); err != nil {
			return o, nil, fmt.Errorf("%s: %w", name, err)
		}
		o.add(name, value.Sensitive, compact.Bytes())
	}
	return o, found.Values(), nil
}

// tellApplied keeps the outputs, hands them on, and says which are left out and how they can be had.
func (a *attempt) tellApplied(o outputs) error {
	left := o.hand(a.s)
	if len(o.values)+len(o.sensitive)+len(o.large) == 0 {
		return nil
	}
	content, err := json.MarshalIndent(orEmpty(o.values), "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", outputsFile, err)
	}
	if err := writeNew(a.s.Scratch(), outputsFile, append(content, '\n')); err != nil {
		return err
	}
	// Losing the file is no reason to lose what was applied.
	if err := a.s.Artifact(outputsFile, filepath.Join(a.s.Scratch(), outputsFile)); err != nil {
		a.s.Log(err.Error())
	}
	a.s.Section(a.outputsSection(o, left))
	return nil
}

func orEmpty(values map[string]json.RawMessage) map[string]json.RawMessage {
	if values == nil {
		return map[string]json.RawMessage{}
	}
	return values
}

func (a *attempt) outputsSection(o outputs, left []string) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Output"}, {Name: "Value"}}}
	for _, name := range sortedKeys(o.values) {
		if len(table.Rows) == shownRows {
			break
		}
		table.Rows = append(table.Rows, []string{clip(name, shownText), clip(oneLine(report.OutputText(o.values[name])), shownText)})
	}
	var text []string
	if rest := len(o.values) - len(table.Rows); rest > 0 {
		text = append(text, fmt.Sprintf("%s more in %s among the artifacts.", report.Count(rest, "output"), outputsFile))
	}
	if len(o.sensitive) > 0 {
		text = append(text, fmt.Sprintf("Left out, because sensitive: %s. A stage of the same environment that needs one reads it from the state itself: %s -chdir=%s output -raw %s.",
			listed(o.sensitive), a.tool.program(), a.settings.Dir, o.sensitive[0]))
	}
	if len(left) > 0 {
		text = append(text, fmt.Sprintf("Too long for a variable of later stages, but in %s: %s.", outputsFile, listed(left)))
	}
	if len(o.large) > 0 {
		text = append(text, fmt.Sprintf("Left out, because larger than %d MiB: %s.", maxValue>>20, listed(o.large)))
	}
	section := pipeline.Section{Title: "Outputs", Text: strings.Join(text, "\n\n")}
	if len(table.Rows) > 0 {
		section.Table = &table
	}
	return section
}

// listed names the first few.
func listed(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
