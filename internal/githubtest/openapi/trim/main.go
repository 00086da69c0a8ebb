// Command trim cuts GitHub's OpenAPI description down to the operations that operations.txt names.
package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

func main() {
	in := flag.String("in", "", "generated/api.github.com.json of the npm package @octokit/openapi")
	operations := flag.String("operations", "operations.txt", "the operations to keep")
	out := flag.String("out", "api.github.com.json.gz", "where to write")
	flag.Parse()
	if err := run(*in, *operations, *out); err != nil {
		fmt.Fprintln(os.Stderr, "trim:", err)
		os.Exit(1)
	}
}

type object = map[string]any

func run(in, operations, out string) error {
	var description object
	data, err := os.ReadFile(in) //nolint:gosec // the developer names the file
	if err != nil {
		return fmt.Errorf("read the description: %w", err)
	}
	if err := json.Unmarshal(data, &description); err != nil {
		return fmt.Errorf("parse %s: %w", in, err)
	}
	list, err := os.ReadFile(operations) //nolint:gosec // the developer names the file
	if err != nil {
		return fmt.Errorf("read the operations: %w", err)
	}
	kept, err := keep(description, strings.Fields(string(list)))
	if err != nil {
		return err
	}
	return write(out, kept)
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// keep makes a description of the named operations ("GET", "/repos/{}/{}", …) and all they refer to.
func keep(description object, words []string) (object, error) {
	paths, _ := description["paths"].(object)
	byTemplate := map[string]string{}
	for path := range paths {
		byTemplate[parameter.ReplaceAllString(path, "{}")] = path
	}
	kept := object{}
	for pair := range slices.Chunk(words, 2) {
		if len(pair) != 2 {
			return nil, errors.New("operations.txt: a method without a path")
		}
		path := byTemplate[pair[1]]
		item, _ := paths[path].(object)
		operation, ok := item[strings.ToLower(pair[0])].(object)
		if !ok {
			return nil, fmt.Errorf("GitHub has no operation %s %s", pair[0], pair[1])
		}
		if kept[path] == nil {
			kept[path] = object{}
		}
		target, _ := kept[path].(object)
		target[strings.ToLower(pair[0])] = strip(operation, false)
	}
	info, _ := description["info"].(object)
	result := object{
		"openapi": description["openapi"],
		"info":    object{"title": info["title"], "version": info["version"], "license": info["license"]},
		"paths":   kept,
	}
	result["components"] = closure(description, kept)
	return result, nil
}

// prose are the keys of a description that validation does not read.
var prose = []string{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	"description", "summary", "example", "examples", "externalDocs", "tags", "x-github", "x-octokit", "title", "deprecated",
	"x-deprecation-details",
}

// strip removes prose. names is true for an object whose keys are names (of properties, parameters, codes), not words of
// OpenAPI.
func strip(value any, names bool) any {
	switch v := value.(type) {
	case object:
		out := object{}
		for key, inner := range v {
			if !names && slices.Contains(prose, key) {
				continue
			}
			isEnum := key == "enum" || key == "default" || key == "required"
			if isEnum && !names {
				out[key] = inner
				continue
			}
			out[key] = strip(inner, !names && (key == "properties" || key == "responses" || key == "content" || key == "headers"))
		}
		if _, described := v["description"]; described && !names && (v["content"] != nil || len(out) == 0) {
			out["description"] = "" // OpenAPI requires it of a response
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = strip(inner, false)
		}
		return out
	default:
		return value
	}
}

// closure collects the components that are referred to, and those they refer to.
func closure(description, paths object) object {
	components, _ := description["components"].(object)
	c := collector{all: components, kept: object{}}
	c.visit(paths)
	return c.kept
}

type collector struct{ all, kept object }

func (c collector) visit(value any) {
	switch v := value.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok {
			c.follow(ref)
		}
		for _, inner := range v {
			c.visit(inner)
		}
	case []any:
		for _, inner := range v {
			c.visit(inner)
		}
	}
}

// follow keeps the component a reference ("#/components/schemas/issue") names, once.
func (c collector) follow(ref string) {
	section, name, ok := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
	if !ok {
		return
	}
	group, _ := c.kept[section].(object)
	if group == nil {
		group = object{}
		c.kept[section] = group
	}
	if group[name] != nil {
		return
	}
	all, _ := c.all[section].(object)
	group[name] = strip(all[name], false)
	c.visit(group[name])
}

func write(out string, description object) (err error) {
	file, err := os.Create(out) //nolint:gosec // the developer names the file
	if err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	zip, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(zip).Encode(description); err != nil {
		return fmt.Errorf("write %s: %w", out, err)
	}
	return zip.Close()
}
