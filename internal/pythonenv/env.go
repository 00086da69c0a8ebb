package pythonenv

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/runner"
)

// Env is a finished virtual environment. It is used, never changed: others may share it.
type Env struct {
	Dir         string
	Interpreter Interpreter
	// Packages counts what is installed.
	Packages int
	// Cached: nothing had to be installed.
	Cached bool
	path   string
}

// Bin is the path of a program of the environment.
func (e Env) Bin(name string) string { return filepath.Join(e.Dir, "bin", name) }

// Has reports whether the environment holds that program.
func (e Env) Has(program string) bool {
	info, err := os.Stat(e.Bin(program)) //nolint:gosec // it is only asked whether the program is there
	return err == nil && info.Mode().IsRegular()
}

// HasModule reports whether a top-level module or package is installed.
func (e Env) HasModule(name string) bool {
	for _, dir := range e.sitePackages() {
		for _, form := range []string{name, name + ".py"} {
			if _, err := os.Stat(filepath.Join(dir, form)); err == nil {
				return true
			}
		}
	}
	return false
}

func (e Env) sitePackages() []string {
	dir := filepath.Join(e.Dir, "lib", "python"+e.Interpreter.Version.Minor(), "site-packages")
	return []string{dir}
}

// Variables activate the environment for a command, as its `activate` script would.
func (e Env) Variables() []string {
	return []string{
		"VIRTUAL_ENV=" + e.Dir, "PATH=" + filepath.Join(e.Dir, "bin") + ":" + e.path,
		"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1", "PIP_DISABLE_PIP_VERSION_CHECK=1",
	}
}

// Builder makes environments for one stage.
type Builder struct {
	Session runner.Session
	Machine Machine
	Now     func() time.Time
	// Secrets are names of the stage's secrets that requirement files may need (${TOKEN} in an index's address).
	Secrets []string
	// Cache names the session's cache folder.
	Cache string
}

// Ensure returns the environment for these requirements: from the cache when one of the same interpreter and the same
// requirement files is there, else installed now and kept.
func (b Builder) Ensure(ctx context.Context, i Interpreter, r Requirements) (Env, error) {
	c, err := readContents(b.Session.Root(), r.Files)
	if err != nil {
		return Env{}, err
	}
	tool, err := b.installer(ctx, i)
	if err != nil {
		return Env{}, err
	}
	if r.Project || c.local {
		// It installs the checkout itself, which lies elsewhere next time.
		return b.build(ctx, tool, i, r, filepath.Join(b.Session.Scratch(), "venv"))
	}
	cache, err := b.Session.CacheDir(b.Cache)
	if err != nil {
		return Env{}, fmt.Errorf("open the cache of Python environments: %w", err)
	}
	return b.shared(ctx, tool, i, r, filepath.Join(cache, c.key(i, r, tool.name(), b.Now())))
}

// shared finds or builds the environment below slot. A virtual environment cannot be moved, for its scripts hold its
// path; so it is built where it stays, in a folder of its own, and published by renaming a pointer to it into place.
func (b Builder) shared(ctx context.Context, tool installer, i Interpreter, r Requirements, slot string) (Env, error) {
	if env, ok := b.published(slot, i); ok {
		return env, nil
	}
	unlock, err := lock(ctx, slot+".lock")
	if err != nil {
		return Env{}, fmt.Errorf("wait for another stage that installs the same requirements: %w", err)
	}
	defer unlock()
	if env, ok := b.published(slot, i); ok {
		return env, nil
	}
	// Whatever lies here was never published: its builder was killed.
	if err := os.RemoveAll(slot); err != nil {
		return Env{}, fmt.Errorf("clear an unfinished environment: %w", err)
	}
	name, err := nonce()
	if err != nil {
		return Env{}, err
	}
	if err := os.MkdirAll(slot, 0o755); err != nil { //nolint:gosec // commands in the sandbox read it, under another user
		return Env{}, fmt.Errorf("make a folder for the environment: %w", err)
	}
	env, err := b.build(ctx, tool, i, r, filepath.Join(slot, name))
	if err != nil {
		return Env{}, errors.Join(err, os.RemoveAll(slot))
	}
	if err := publish(slot, name); err != nil {
		return Env{}, fmt.Errorf("publish the environment: %w", err)
	}
	b.prune(filepath.Dir(slot), slot)
	return env, nil
}

const pointer = "current"

func (b Builder) published(slot string, i Interpreter) (Env, bool) {
	text, err := os.ReadFile(filepath.Join(slot, pointer)) //nolint:gosec // in the cache's own folder, and what it says is checked below
	name := string(text)
	if _, bad := hex.DecodeString(name); err != nil || bad != nil || name == "" {
		return Env{}, false
	}
	env := b.env(filepath.Join(slot, name), i)
	if !env.Has("pip") && !env.Has("activate") {
		return Env{}, false
	}
	env.Cached = true
	now := b.Now()
	// The time of last use, for prune. Where it cannot be kept the environment is only built again sooner.
	if err := os.Chtimes(filepath.Join(slot, pointer), now, now); err != nil {
		b.Session.Log("The time of last use of the cached environment could not be kept: " + err.Error())
	}
	return env, true
}

func publish(slot, name string) error {
	temporary := filepath.Join(slot, pointer+".new")
	if err := os.WriteFile(temporary, []byte(name), 0o644); err != nil { //nolint:gosec // no secret
		return err
	}
	return os.Rename(temporary, filepath.Join(slot, pointer))
}

func nonce() (string, error) {
	b := make([]byte, 8)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("name the environment: %w", err)
	}
	return hex.EncodeToString(b), nil
}

func (b Builder) env(dir string, i Interpreter) Env {
	env := Env{Dir: dir, Interpreter: i, path: b.searchPath(i)}
	for _, site := range env.sitePackages() {
		entries, err := os.ReadDir(site)
		if err != nil {
			continue // a broken environment counts nothing
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".dist-info") && !strings.HasPrefix(e.Name(), "pip-") {
				env.Packages++
			}
		}
	}
	return env
}

const standardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (b Builder) searchPath(i Interpreter) string {
	if task := b.Session.Task().Env["PATH"]; task != "" {
		return task
	}
	if i.Image != "" || b.Machine.Path == "" {
		return standardPath
	}
	return b.Machine.Path
}

// unused is how long an environment nobody asks for is kept: longer than any stage may run.
const unused = 14 * 24 * time.Hour

// prune removes environments that were not used for long. What cannot be removed now is tried again next time.
func (b Builder) prune(cache, keep string) {
	pointers, err := filepath.Glob(filepath.Join(escapeGlob(cache), "*", pointer))
	if err != nil {
		return
	}
	for _, p := range pointers {
		slot := filepath.Dir(p)
		info, err := os.Stat(p)
		if err != nil || slot == keep || b.Now().Sub(info.ModTime()) < unused {
			continue
		}
		if err := errors.Join(os.Remove(p), os.RemoveAll(slot)); err != nil {
			b.Session.Log("An old Python environment could not be removed: " + err.Error())
		}
	}
}

// build makes a virtual environment at dir and installs into it.
func (b Builder) build(ctx context.Context, tool installer, i Interpreter, r Requirements, dir string) (Env, error) {
	if err := b.run(ctx, "Creating the virtual environment", i, tool.create(i, dir)); err != nil {
		return Env{}, err
	}
	pinned, err := b.writePinned(r)
	if err != nil {
		return Env{}, err
	}
	for _, args := range tool.install(dir, r, pinned) {
		if err := b.run(ctx, "Installing "+r.String(), i, args); err != nil {
			return Env{}, err
		}
	}
	return b.env(dir, i), nil
}

// writePinned puts our own list where pip can read it.
func (b Builder) writePinned(r Requirements) (string, error) {
	if r.Pinned == "" {
		return "", nil
	}
	f, err := os.CreateTemp(b.Session.Scratch(), "tools-*.txt")
	if err != nil {
		return "", fmt.Errorf("write the list of tools: %w", err)
	}
	_, err = f.WriteString(r.Pinned)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return "", fmt.Errorf("write the list of tools: %w", err)
	}
	return f.Name(), nil
}

// run carries out one command of the installer and reads its failure.
func (b Builder) run(ctx context.Context, what string, i Interpreter, args []string) error {
	variables, err := b.installVariables()
	if err != nil {
		return err
	}
	var watch watcher
	exit, err := b.Session.Command(ctx, runner.Command{
		Args: args, Env: variables, Secrets: b.Secrets, Image: i.Image, Line: watch.line,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", strings.ToLower(what), err)
	}
	if exit.OK() {
		return nil
	}
	return watch.failure(what, filepath.Base(args[0]), exit)
}

// installVariables keep downloads of pip and uv between runs, and both from asking questions.
func (b Builder) installVariables() ([]string, error) {
	variables := []string{
		"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_NO_INPUT=1", "PIP_PROGRESS_BAR=off", "PIP_ROOT_USER_ACTION=ignore",
		"UV_NO_PROGRESS=1", "UV_PYTHON_DOWNLOADS=never", "PYTHONUNBUFFERED=1",
	}
	for _, cache := range []struct{ variable, name string }{{"PIP_CACHE_DIR", "pip"}, {"UV_CACHE_DIR", "uv"}} {
		dir, err := b.Session.CacheDir(cache.name)
		if err != nil {
			return nil, fmt.Errorf("open the cache of %s: %w", cache.name, err)
		}
		variables = append(variables, cache.variable+"="+dir)
	}
	return slices.Clip(variables), nil
}
