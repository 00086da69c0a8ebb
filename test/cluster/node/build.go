package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

// module is a nested Go module below test/cluster/build, and what is built from it. Modules of their own keep Kubernetes
// out of Slipway's.
type module struct {
	name     string
	link     string   // flags of the linker
	packages []string // the programs, which are named after the ends of these
	// Where the makers generate a file before they build, the programs are built in a copy of their module, with that file.
	own       string
	generated map[string]string // contents by path
}

func modules() []module {
	const kubernetes, ferretdb = "k8s.io/kubernetes/cmd/", "github.com/FerretDB/FerretDB"
	return []module{
		{name: "kubernetes", link: "-X k8s.io/component-base/version.gitVersion=v1.36.3", packages: []string{
			kubernetes + "kubectl", kubernetes + "kube-apiserver", kubernetes + "kubelet", kubernetes + "kube-controller-manager",
			kubernetes + "kube-scheduler", kubernetes + "kube-proxy",
		}},
		{name: "containerd", packages: []string{
			"github.com/containerd/containerd/v2/cmd/containerd", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
		}},
		{name: "addons", packages: []string{"./dns", "./storage"}},
		{name: "ferretdb", packages: []string{ferretdb + "/cmd/ferretdb"}, own: ferretdb, generated: map[string]string{"build/version/version.txt": "v1.24.0\n"}},
	}
}

// workshop builds programs and remembers them by what they are built from, so that none is built twice.
type workshop struct {
	place  place.Place
	source string // test/cluster of the checkout
}

// build makes what is missing and returns the path of every program by its name.
func (w workshop) build(ctx context.Context, wanted ...string) (map[string]string, error) {
	paths := map[string]string{}
	for _, m := range modules() {
		for _, pkg := range m.packages {
			name := path.Base(pkg)
			if len(wanted) > 0 && !slices.Contains(wanted, name) {
				continue
			}
			built, err := w.program(ctx, m, pkg)
			if err != nil {
				return nil, fmt.Errorf("build %s: %w", name, err)
			}
			paths[name] = built
		}
	}
	return paths, nil
}

func (w workshop) program(ctx context.Context, m module, pkg string) (string, error) {
	key, err := w.key(m)
	if err != nil {
		return "", err
	}
	name := path.Base(pkg)
	dir := w.place.At("bin", m.name+"-"+key)
	built := filepath.Join(dir, name)
	if _, err := os.Stat(built); err == nil {
		return built, w.link(built)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	fmt.Printf("Building %s\n", name)
	began := time.Now()
	source, done, err := w.folder(ctx, m)
	if err != nil {
		return "", err
	}
	half := built + ".half"
	cmd := command(ctx, source, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w "+m.link, "-o", half, pkg)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := errors.Join(cmd.Run(), done()); err != nil {
		return "", err
	}
	if err := os.Rename(half, built); err != nil {
		return "", err
	}
	fmt.Printf("Built %s in %s\n", name, time.Since(began).Round(time.Second))
	return built, w.link(built)
}

// command is Go in a module's folder.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // a list of ours
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
	return cmd
}

// folder is where the module's programs are built, until they are done.
func (w workshop) folder(ctx context.Context, m module) (dir string, done func() error, err error) {
	ours := filepath.Join(w.source, "build", m.name)
	if m.own == "" {
		return ours, func() error { return nil }, nil
	}
	if out, err := command(ctx, ours, "mod", "download", m.own).CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("fetch %s: %w: %s", m.own, err, out)
	}
	fetched, err := command(ctx, ours, "list", "-m", "-f", "{{.Dir}}", m.own).Output()
	if err != nil {
		return "", nil, fmt.Errorf("find %s: %w", m.own, err)
	}
	if dir, err = os.MkdirTemp(string(w.place), "source-"); err != nil {
		return "", nil, err
	}
	done = func() error { return os.RemoveAll(dir) }
	if err := m.copySource(strings.TrimSpace(string(fetched)), dir); err != nil {
		return "", nil, errors.Join(fmt.Errorf("copy %s: %w", m.own, err), done())
	}
	return dir, done, nil
}

func (m module) copySource(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	for name, content := range m.generated {
		if err := os.WriteFile(filepath.Join(to, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// link gives the program a path that stays the same over versions, for people.
func (w workshop) link(built string) error {
	link := w.place.At("bin", filepath.Base(built))
	target, err := filepath.Rel(filepath.Dir(link), built)
	if err != nil {
		return err
	}
	if now, err := os.Readlink(link); err == nil && now == target {
		return nil
	}
	half := link + ".half"
	if err := os.Remove(half); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, half); err != nil {
		return err
	}
	return os.Rename(half, link)
}

// key changes with every file of the module, and so with every version in it.
func (w workshop) key(m module) (string, error) {
	digest := sha256.New() // takes everything that is written to it
	_, _ = fmt.Fprintln(digest, m.link, m.own, m.generated)
	dir := os.DirFS(filepath.Join(w.source, "build", m.name))
	err := fs.WalkDir(dir, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dir, path)
		_, _ = fmt.Fprintf(digest, "%s %d\n%s", path, len(text), text)
		return err
	})
	return hex.EncodeToString(digest.Sum(nil))[:12], err
}
