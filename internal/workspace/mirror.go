package workspace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// mirror is the one bare repository of a clone address. It has no remote and no credentials; its references are names
// made here, so that no branch name can collide with another (a, then a/b) or with a path.
type mirror struct {
	git    git
	source source
	token  string
	dir    string
	log    func(string)
}

// manyPacks is when packs are joined: each fetch leaves one, and git looks through all of them.
const manyPacks = 40

func (w *Workspace) mirror(s source, token string, log func(string)) *mirror {
	return &mirror{git: w.git, source: s, token: token, log: log, dir: filepath.Join(w.dir, "mirrors", s.key()+".git")}
}

func (m *mirror) lockPath() string { return strings.TrimSuffix(m.dir, ".git") + ".lock" }

func (m *mirror) objects() string { return filepath.Join(m.dir, "objects") }

// ensure fetches what is missing of the commit and its base; where nothing is, the network is not touched.
func (m *mirror) ensure(ctx context.Context) error {
	if m.hasAll(ctx) {
		return nil
	}
	held, err := lock(ctx, m.lockPath())
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }() // frees the lock; nothing was written to the file
	if m.hasAll(ctx) {                  // another stage fetched it while we waited
		return nil
	}
	if err := m.create(ctx); err != nil {
		return err
	}
	if err := m.dropStale(); err != nil {
		return err
	}
	start := time.Now()
	if err := m.fetchAll(ctx); err != nil {
		return err
	}
	m.log(fmt.Sprintf("fetched %s of %s in %s", printable(m.source.Ref), m.source.display(), time.Since(start).Round(time.Millisecond)))
	return m.tidy(ctx)
}

func (m *mirror) hasAll(ctx context.Context) bool {
	return m.has(ctx, m.source.SHA, m.source.BaseSHA)
}

// has reports whether all named commits are here. A mirror that is damaged or not there has nothing: the fetch that
// follows tells which.
func (m *mirror) has(ctx context.Context, shas ...string) bool {
	var ask strings.Builder
	want := 0
	for _, sha := range shas {
		if sha != "" {
			ask.WriteString(sha + "\n")
			want++
		}
	}
	if _, err := os.Stat(m.dir); err != nil {
		return false
	}
	out, err := m.run(ctx, call{args: []string{"cat-file", "--batch-check=%(objecttype)"}, stdin: ask.String()})
	return err == nil && strings.Count(string(out), "commit\n") == want
}

func (m *mirror) run(ctx context.Context, c call) ([]byte, error) {
	c.args = append([]string{"--git-dir=" + m.dir}, c.args...)
	return m.git.run(ctx, c)
}

func (m *mirror) create(ctx context.Context) error {
	if _, err := os.Stat(m.dir); err == nil {
		return nil
	}
	if err := m.git.checkVersion(ctx); err != nil {
		return err
	}
	_, err := m.git.run(ctx, call{args: []string{"init", "--quiet", "--bare", "--template=", m.dir}})
	return err
}

// fetchAll asks for the reference first, which is what every server allows, and by name only for what did not come
// with it: the branch may have moved on, or back.
func (m *mirror) fetchAll(ctx context.Context) error {
	if m.source.Ref != "" {
		specs := []string{refspec(m.source.Ref, m.source.Ref)}
		if m.source.BaseSHA != "" {
			specs = append(specs, m.baseSpec())
		}
		err := m.fetch(ctx, specs...)
		if err != nil && kindOf(err) != KindVanished {
			return err
		}
		if err != nil && len(specs) > 1 { // either may be what is missing
			_ = m.fetch(ctx, specs[0]) // what did not come is asked for by name, and that tells why
		}
	}
	if !m.has(ctx, m.source.SHA) {
		if err := m.fetch(ctx, refspec(m.source.SHA, "commit "+m.source.Ref)); err != nil {
			return err
		}
	}
	return m.fetchBase(ctx)
}

// fetchBase has the base where it can be had: without it only the changed lines are unknown.
func (m *mirror) fetchBase(ctx context.Context) error {
	if m.source.BaseSHA == "" || m.has(ctx, m.source.BaseSHA) {
		return nil
	}
	err := m.fetch(ctx, m.baseSpec())
	if kindOf(err) == KindVanished {
		m.log(fmt.Sprintf("the base commit %s is no longer reachable; which lines changed is not known", short(m.source.BaseSHA)))
		return nil
	}
	return err
}

func (m *mirror) baseSpec() string { return refspec(m.source.BaseSHA, "base of "+m.source.Ref) }

// refspec fetches from into a name made of a digest.
func refspec(from, name string) string {
	sum := sha256.Sum256([]byte(name))
	return "+" + from + ":refs/slipway/" + hex.EncodeToString(sum[:10])
}

func (m *mirror) fetch(ctx context.Context, specs ...string) error {
	config, secrets := credentials(m.source.origin(), m.token)
	args := []string{"fetch", "--quiet", "--no-write-fetch-head", "--no-recurse-submodules", "--end-of-options", m.source.url.String()}
	_, err := m.run(ctx, call{args: append(args, specs...), config: config, secrets: secrets})
	return err
}

// dropStale removes what a git that was killed leaves behind and the next one would stumble over. The lock is held.
func (m *mirror) dropStale() error {
	var stale []string
	for _, pattern := range []string{"*.lock", "refs/slipway/*.lock", "refs/tags/*.lock", "objects/pack/tmp_*", "objects/info/*.lock"} {
		found, err := filepath.Glob(filepath.Join(m.dir, pattern))
		if err != nil {
			return err
		}
		stale = append(stale, found...)
	}
	for _, path := range stale {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("clean the mirror: %w", err)
		}
	}
	return nil
}

// tidy joins packs when there are many. The lock is held; readers find what moved.
func (m *mirror) tidy(ctx context.Context) error {
	packs, err := filepath.Glob(filepath.Join(m.objects(), "pack", "*.pack"))
	if err != nil || len(packs) < manyPacks {
		return err
	}
	if _, err := m.run(ctx, call{args: []string{"repack", "-d", "-q", "--geometric=2"}}); err != nil {
		return err
	}
	_, err = m.run(ctx, call{args: []string{"pack-refs", "--all"}})
	return err
}

// identity changes when the mirror is made anew.
func (m *mirror) identity() uint64 {
	info, err := os.Stat(m.dir)
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// discard removes a damaged mirror, unless another process already replaced the one that was seen.
func (m *mirror) discard(ctx context.Context, seen uint64) error {
	held, err := lock(ctx, m.lockPath())
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }() // frees the lock; nothing was written to the file
	if m.identity() != seen {
		return nil
	}
	// Renamed first: a removal that is cut short must not leave half a mirror under the name.
	broken := m.dir + ".damaged"
	if err := removeTree(broken); err != nil {
		return err
	}
	if err := os.Rename(m.dir, broken); err != nil {
		return fmt.Errorf("replace the mirror: %w", err)
	}
	return removeTree(broken)
}
