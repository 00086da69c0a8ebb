package image

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// recipe makes one image, published under several names.
type recipe struct {
	repository string
	tags       []string
	key        string // changes with whatever the image is made from
	make       func(ctx context.Context) (v1.Image, error)
}

// revision is part of every key: count it up when a recipe changes.
const revision = "2"

// pythonVersion is the one that the example asks for.
const pythonVersion = "3.13"

// Databases run as this user in the official images.
const databaseUser = 999

func (s Source) recipes(ctx context.Context) ([]recipe, error) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	python, err := findInterpreter(ctx, pythonVersion)
	if err != nil {
		return nil, err
	}
	release, err := suite()
	if err != nil {
		return nil, err
	}
	redis, err := version(ctx, "redis-server", "--version")
	if err != nil {
		return nil, err
	}
	tools, err := version(ctx, "busybox")
	if err != nil {
		return nil, err
	}
	pause, err := s.text("pause")
	if err != nil {
		return nil, err
	}
	mongod, err := s.text("mongod")
	if err != nil {
		return nil, err
	}
	d := &debianImages{source: s, python: python}
	return []recipe{
		{"pause", []string{"3.10"}, pause, s.pause},
		{"library/busybox", []string{"1", "latest"}, tools, func(ctx context.Context) (v1.Image, error) { return s.busybox(ctx, busybox) }},
		{"library/redis", []string{"8", "8-alpine", "7", "7-alpine", "latest"}, redis + tools, func(ctx context.Context) (v1.Image, error) { return s.redis(ctx, busybox) }},
		{"library/mongo", []string{"8.0", "8", "7.0", "7", "latest"}, filepath.Base(filepath.Dir(s.FerretDB)) + mongod + tools, func(ctx context.Context) (v1.Image, error) { return s.mongo(ctx, busybox) }},
		{"library/debian", []string{release + "-slim", release}, release + python.version + python.prefix, d.base},
		{"library/python", []string{pythonVersion + "-slim", pythonVersion, pythonVersion + "-slim-" + release}, release + python.version + python.prefix, d.withPython},
	}, nil
}

// version is the first line of what a program says of itself.
func version(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output() //nolint:gosec // a program of Debian's
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", program, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, nil
}

// assemble puts layers and settings together.
func assemble(config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	return extend(empty.Image, config, layers...)
}

func extend(base v1.Image, config v1.Config, layers ...v1.Layer) (v1.Image, error) {
	made, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return nil, err
	}
	file, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config = "linux", runtime.GOARCH, config
	return mutate.ConfigFile(made, file)
}

// fill makes a layer from what the function adds.
func (s Source) fill(add func(a *archive) error) (v1.Layer, error) {
	a, err := newArchive(s.Scratch)
	if err != nil {
		return nil, err
	}
	if err := add(a); err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	return a.layer()
}

func (s Source) pause(ctx context.Context) (v1.Image, error) {
	program, err := s.compile(ctx, "pause")
	if err != nil {
		return nil, err
	}
	layer, err := s.fill(func(a *archive) error { return a.program("pause", program) })
	if err != nil {
		return nil, err
	}
	return assemble(v1.Config{Entrypoint: []string{"/pause"}, User: "65535:65535"}, layer)
}

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// busybox is the base of the databases: a shell and its tools.
func (s Source) busybox(ctx context.Context, program string) (v1.Image, error) {
	layer, err := s.tools(ctx, program)
	if err != nil {
		return nil, err
	}
	return assemble(v1.Config{Env: []string{searchPath}, Cmd: []string{"sh"}}, layer)
}

func (s Source) tools(ctx context.Context, program string) (v1.Layer, error) {
	names, err := exec.CommandContext(ctx, program, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("ask busybox for its tools: %w", err)
	}
	return s.fill(func(a *archive) error {
		errs := []error{
			a.program("bin/busybox", program),
			a.folder("tmp", 0o1777, 0),
			a.folder("root", 0o700, 0),
			a.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndatabase:x:999:999::/data:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"),
			a.text("etc/group", "root:x:0:\ndatabase:x:999:\nnogroup:x:65534:\n"),
		}
		for name := range strings.FieldsSeq(string(names)) {
			if name != "busybox" {
				errs = append(errs, a.link("bin/"+name, "busybox"))
			}
		}
		return errors.Join(errs...)
	})
}

func (s Source) redis(ctx context.Context, busybox string) (v1.Image, error) {
	tools, err := s.tools(ctx, busybox)
	if err != nil {
		return nil, err
	}
	layer, err := s.fill(func(a *archive) error {
		for _, name := range []string{"redis-server", "redis-cli"} {
			if err := a.withLibraries(ctx, "usr/local/bin/"+name, name); err != nil {
				return err
			}
		}
		return a.folder("data", 0o777, databaseUser)
	})
	if err != nil {
		return nil, err
	}
	return assemble(v1.Config{
		Env: []string{searchPath}, WorkingDir: "/data", ExposedPorts: map[string]struct{}{"6379/tcp": {}},
		// The official image answers other hosts too without being told.
		Entrypoint: []string{"redis-server", "--protected-mode", "no"},
	}, tools, layer)
}

// mongo is FerretDB: Debian has no MongoDB.
func (s Source) mongo(ctx context.Context, busybox string) (v1.Image, error) {
	tools, err := s.tools(ctx, busybox)
	if err != nil {
		return nil, err
	}
	entry, err := s.compile(ctx, "mongod")
	if err != nil {
		return nil, err
	}
	layer, err := s.fill(func(a *archive) error {
		return errors.Join(
			a.program("usr/local/bin/mongod", entry),
			a.program("usr/local/bin/ferretdb", s.FerretDB),
			a.folder("data/db", 0o777, databaseUser),
			a.folder("data/configdb", 0o777, databaseUser),
		)
	})
	if err != nil {
		return nil, err
	}
	return assemble(v1.Config{
		Env: []string{searchPath}, Entrypoint: []string{"mongod"}, ExposedPorts: map[string]struct{}{"27017/tcp": {}},
	}, tools, layer)
}

// withLibraries adds a program of Debian's and what it is loaded with, each library where the loader looks.
func (a *archive) withLibraries(ctx context.Context, name, program string) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return err
	}
	needed, err := libraries(ctx, path)
	if err != nil {
		return err
	}
	for _, library := range needed {
		if err := a.program(library, library); err != nil {
			return err
		}
	}
	return a.program(name, path)
}
