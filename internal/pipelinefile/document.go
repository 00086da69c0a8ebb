package pipelinefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of a file. They hold before anything is decoded, so that nobody can make the bot work for long.
const (
	maxBytes  = 256 << 10
	maxNodes  = 10_000
	maxStages = 200
	maxLegs   = 256
	maxDepth  = 64
)

// readDocument parses the one YAML document of a file. ok is false where nothing further can be said about it.
func readDocument(c *collector, data []byte) (root *yaml.Node, ok bool) {
	if len(data) > maxBytes {
		c.addf(1, 1, "the file has %d bytes; at most %d (256 KiB) are read: move scripts into files of the repository", len(data), maxBytes)
		return nil, false
	}
	if line, column, bad := invalidUTF8(data); bad {
		c.addf(line, column, "the file is not valid UTF-8 here: save it as UTF-8")
		return nil, false
	}
	document, err := parseYAML(data)
	var syntax *syntaxError
	switch {
	case errors.Is(err, io.EOF):
		c.addf(1, 1, "the file is empty: write at least one stage under stages, or delete the file to have the stages inferred")
		return nil, false
	case errors.As(err, &syntax):
		c.addf(syntax.line, 1, "%s", syntax.message)
		return nil, false
	}
	root = document.Content[0]
	if isNull(root) {
		c.addf(1, 1, "the file is empty: write at least one stage under stages, or delete the file to have the stages inferred")
		return nil, false
	}
	return root, inspect(c, root)
}

func invalidUTF8(data []byte) (line, column int, bad bool) {
	if utf8.Valid(data) {
		return 0, 0, false
	}
	line, column = 1, 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			return line, column, true
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
		data = data[size:]
	}
	return line, column, true
}

// syntaxError is what the YAML parser says, with the line it says it of.
type syntaxError struct {
	line    int
	message string
}

func (e *syntaxError) Error() string { return e.message }

func parseYAML(data []byte) (document *yaml.Node, err error) {
	defer func() {
		// The parser works on anybody's bytes: should one of its own faults come to light, it is the file's problem,
		// not the end of the process.
		if fault := recover(); fault != nil {
			document, err = nil, &syntaxError{line: 1, message: fmt.Sprintf("this is no YAML: the parser gave up on it (%v)", fault)}
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	document = new(yaml.Node)
	if err := decoder.Decode(document); err != nil {
		return nil, asSyntaxError(err)
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return document, nil
	case err != nil:
		return nil, asSyntaxError(err)
	default:
		return nil, &syntaxError{line: second.Line, message: "a second YAML document begins here; a pipeline file is one document: remove the --- line and what follows"}
	}
}

var yamlLine = regexp.MustCompile(`(?s)^yaml: (?:line (\d+): )?(.*)$`)

func asSyntaxError(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	parts := yamlLine.FindStringSubmatch(err.Error())
	if parts == nil {
		return &syntaxError{line: 1, message: "this is no YAML: " + err.Error()}
	}
	line, convErr := strconv.Atoi(parts[1])
	if convErr != nil {
		line = 1
	}
	message := "this is no YAML: " + parts[2]
	switch {
	case strings.Contains(parts[2], "character that cannot start any token"):
		message += " (tabs cannot indent, and text that begins with @, ` or % needs quotes)"
	case strings.Contains(parts[2], "mapping values are not allowed"):
		message += " (a colon followed by a space: put the text in quotes, or check the indentation)"
	case strings.Contains(parts[2], "did not find expected alphabetic or numeric character"):
		message += ` (text that begins with * or & needs quotes: "*")`
	}
	return &syntaxError{line: line, message: message}
}
