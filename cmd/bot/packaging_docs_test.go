package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipelinefile"
)

// documents are the pages of the project, by their paths from here.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{"../../README.md", "../../CHANGELOG.md"}
	err := filepath.WalkDir("../../docs", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	docLink = regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestDocumentLinks: every page, picture and heading that a page points to exists.
func TestDocumentLinks(t *testing.T) {
	for _, file := range documents(t) {
		for _, link := range docLink.FindAllStringSubmatch(readText(t, file), -1) {
			target := filepath.Join(filepath.Dir(file), link[1])
			if link[1] == "" { // a heading of the same page
				target = file
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if link[2] != "" && !hasHeading(readText(t, target), link[2]) {
				t.Errorf("%s: %s has no heading #%s", file, link[1], link[2])
			}
		}
	}
}

// hasHeading compares as GitHub makes anchors of headings.
func hasHeading(text, anchor string) bool {
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// TestDocumentExamples: every pipeline shown is valid.
func TestDocumentExamples(t *testing.T) {
	shown := 0
	for _, file := range documents(t) {
		for _, block := range yamlBlock.FindAllStringSubmatch(readText(t, file), -1) {
			if !strings.Contains("\n"+block[1], "\nstages:") {
				continue
			}
			shown++
			if _, err := pipelinefile.Parse(pipelinefile.Path, []byte(block[1])); err != nil {
				t.Errorf("%s: %v\n%s", file, err, block[1])
			}
		}
	}
	if shown == 0 {
		t.Error("no pipeline is shown anywhere")
	}
}
