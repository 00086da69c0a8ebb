package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// debianImages are two images of one tree: Debian, and Python on top of it.
type debianImages struct {
	source Source
	python interpreter

	once sync.Once
	err  error
	// The layers, once they are made.
	system, interpreter v1.Layer
}

// addOns is what Python's slim image has besides the essential packages.
func addOns() []string { return []string{"ca-certificates", "netbase", "tzdata"} }

func (d *debianImages) base(ctx context.Context) (v1.Image, error) {
	if err := d.layers(ctx); err != nil {
		return nil, err
	}
	return assemble(v1.Config{Env: []string{searchPath}, Cmd: []string{"bash"}}, d.system)
}

func (d *debianImages) withPython(ctx context.Context) (v1.Image, error) {
	if err := d.layers(ctx); err != nil {
		return nil, err
	}
	return assemble(v1.Config{
		Env: []string{searchPath, "LANG=C.UTF-8", "PYTHON_VERSION=" + d.python.version}, Cmd: []string{"python3"},
	}, d.system, d.interpreter)
}

func (d *debianImages) layers(ctx context.Context) error {
	d.once.Do(func() { d.err = d.makeLayers(ctx) })
	return d.err
}

func (d *debianImages) makeLayers(ctx context.Context) error {
	needed, err := d.python.packages(ctx)
	if err != nil {
		return fmt.Errorf("find what Python needs: %w", err)
	}
	root := filepath.Join(d.source.Scratch, "system")
	if err := os.Mkdir(root, 0o755); err != nil { //nolint:gosec // the root of a system
		return err
	}
	if err := debian(ctx, root, append(addOns(), needed...)); err != nil {
		return err
	}
	if err := d.python.install(ctx, root); err != nil {
		return fmt.Errorf("install Python: %w", err)
	}
	d.system, err = d.source.fill(func(a *archive) error {
		return a.tree(root, func(name string) bool { return unneeded(name) || ofPython(name) })
	})
	if err != nil {
		return err
	}
	d.interpreter, err = d.source.fill(func(a *archive) error {
		return a.tree(root, func(name string) bool { return !ofPython(name) && !above(name) })
	})
	return err
}

// above is true for the folders on the way to what is of Python.
func above(name string) bool { return name == "usr" || name == "usr/local" || name == "etc" }
