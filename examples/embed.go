// Package examples carries the example application inside the program, for the demo.
package examples

import (
	"embed"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed all:inventory-manager
var embedded embed.FS

// InventoryManager is the example repository as it is committed: what tests, tools and editors leave in the folder of
// whoever builds the program is not part of it.
func InventoryManager() (fs.FS, error) {
	sub, err := fs.Sub(embedded, "inventory-manager")
	if err != nil {
		return nil, err
	}
	tree, ok := sub.(fs.ReadDirFS)
	if !ok {
		return nil, errors.New("the embedded example cannot list its folders")
	}
	return committed{tree}, nil
}

// committed hides leftovers; every folder of fs.FS is reached through ReadDir or Open.
type committed struct{ tree fs.ReadDirFS }

func (c committed) Open(name string) (fs.File, error) {
	if hidden(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	f, err := c.tree.Open(name)
	if err != nil {
		return nil, err
	}
	if dir, ok := f.(fs.ReadDirFile); ok {
		return folder{ReadDirFile: dir, at: name}, nil
	}
	return f, nil
}

func (c committed) ReadDir(name string) ([]fs.DirEntry, error) {
	if hidden(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	entries, err := c.tree.ReadDir(name)
	return visible(name, entries), err
}

type folder struct {
	fs.ReadDirFile
	at string
}

func (f folder) ReadDir(n int) ([]fs.DirEntry, error) {
	for {
		entries, err := f.ReadDirFile.ReadDir(n)
		if kept := visible(f.at, entries); len(kept) > 0 || err != nil || n <= 0 {
			return kept, err
		}
	}
}

func visible(dir string, entries []fs.DirEntry) []fs.DirEntry {
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return hidden(path.Join(dir, e.Name())) })
}

// hidden follows the example's .gitignore.
func hidden(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "__pycache__", ".pytest_cache", ".coverage", "coverage.xml", ".venv", "venv", ".terraform", "tfplan":
			return true
		}
		if strings.HasSuffix(part, ".pyc") || strings.HasSuffix(part, ".tfstate") || strings.Contains(part, ".tfstate.") {
			return true
		}
	}
	return false
}

// Files are the texts of the example repository by their paths.
func Files() (map[string]string, error) {
	example, err := InventoryManager()
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	err = fs.WalkDir(example, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(example, path)
		files[path] = string(content)
		return err
	})
	return files, err
}
