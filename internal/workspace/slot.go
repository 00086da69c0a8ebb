package workspace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// slot is a numbered place for one checkout. Whoever holds its lock owns it.
type slot struct {
	dir  string
	held *os.File
	// filters are settings for writing files: large ones, where asked for.
	filters []setting
	secrets []string
}

// maxSlots bounds the search for a free one; so many stages of one repository never run on one machine.
const maxSlots = 4096

func (s *slot) tree() string   { return filepath.Join(s.dir, "tree") }
func (s *slot) index() string  { return filepath.Join(s.dir, "index") }
func (s *slot) marker() string { return filepath.Join(s.dir, "clean") }

// cleanAt is the commit a cleanly closed slot holds; empty: its content counts for nothing.
func (s *slot) cleanAt() string {
	sha, err := os.ReadFile(s.marker())
	if err != nil || !objectName.Match(sha) {
		return ""
	}
	return string(sha)
}

func (s *slot) free() error { return s.held.Close() }

// wipe leaves an empty tree.
func (s *slot) wipe() error {
	if err := s.remove(); err != nil {
		return err
	}
	return os.MkdirAll(s.tree(), 0o755) //nolint:gosec // the stage may run as another user; the folders above are closed
}

func (s *slot) remove() error {
	// The marker goes first: a removal that is cut short must not leave a slot that calls itself clean.
	if err := os.Remove(s.marker()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeTree(s.dir)
}

// acquire takes a slot below dir. Where reuse is asked for, one that already holds sha is preferred, then any clean
// one; otherwise clean ones are left to those who can use them.
func acquire(dir, sha string, reuse bool) (*slot, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if reuse {
		for _, fits := range []func(string) bool{func(at string) bool { return at == sha }, func(at string) bool { return at != "" }} {
			if s, err := acquireClean(dir, fits); s != nil || err != nil {
				return s, err
			}
		}
	}
	for n := 1; n <= maxSlots; n++ {
		s, err := trySlot(dir, n)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		if s.cleanAt() == "" {
			return s, nil
		}
		if err := s.free(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("all %d checkouts below %s are in use", maxSlots, dir)
}

func acquireClean(dir string, fits func(at string) bool) (*slot, error) {
	numbers, err := slotNumbers(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		if !fits((&slot{dir: slotDir(dir, n)}).cleanAt()) {
			continue
		}
		s, err := trySlot(dir, n)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		if fits(s.cleanAt()) {
			return s, nil
		}
		if err := s.free(); err != nil {
			return nil, err
		}
	}
	return nil, nil //nolint:nilnil // that no slot is clean is an answer, as in trySlot
}

// trySlot returns nil where another process owns the slot.
func trySlot(dir string, n int) (*slot, error) {
	held, err := tryLock(slotDir(dir, n) + ".lock")
	if held == nil || err != nil {
		return nil, err
	}
	return &slot{dir: slotDir(dir, n), held: held}, nil
}

func slotDir(dir string, n int) string { return filepath.Join(dir, strconv.Itoa(n)) }

// slotNumbers lists the slots that have content.
func slotNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		if n, err := strconv.Atoi(entry.Name()); err == nil && entry.IsDir() {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// fill makes the slot's tree hold exactly the commit. reuse starts from what a clean slot holds; where that turns out
// not to be what git wrote, the tree is thrown away.
func (s *slot) fill(ctx context.Context, m *mirror, sha string, reuse bool) error {
	if at := s.cleanAt(); reuse && at != "" && s.usable() {
		if err := os.Remove(s.marker()); err != nil {
			return err
		}
		err := s.move(ctx, m, at, sha)
		if err == nil || ctx.Err() != nil || kindOf(err) == KindDisk {
			return err
		}
	}
	if err := s.wipe(); err != nil {
		return err
	}
	return s.readTree(ctx, m, sha)
}

// usable reports whether the tree is still a folder of ours: an unsandboxed stage could have put a link there.
func (s *slot) usable() bool {
	info, err := os.Lstat(s.tree())
	if err != nil || !info.IsDir() {
		return false
	}
	_, err = os.Lstat(s.index() + ".lock")
	return errors.Is(err, fs.ErrNotExist)
}

// errDirty: the tree holds what the commit does not.
var errDirty = errors.New("the tree cannot be brought back to a commit")

// move brings a clean tree from one commit to another.
func (s *slot) move(ctx context.Context, m *mirror, from, to string) error {
	if err := removeTree(filepath.Join(s.tree(), ".git")); err != nil {
		return err
	}
	// A two-way merge looks at no file that is the same in both commits, which is nearly all of them; verify does.
	if _, err := s.run(ctx, m, "read-tree", "-m", "-u", "--end-of-options", from, to); err == nil {
		if clean, err := s.verify(ctx, m); clean || err != nil {
			return err
		}
	}
	return s.restore(ctx, m, to)
}

// restore makes whatever is in the tree the commit.
func (s *slot) restore(ctx context.Context, m *mirror, sha string) error {
	if err := s.scrub(ctx, m, sha); err != nil {
		return err
	}
	if clean, err := s.verify(ctx, m); clean || err != nil {
		return err
	}
	return errDirty
}

// scrub removes every file git does not know, ignored ones and nested repositories too, and writes back the others.
func (s *slot) scrub(ctx context.Context, m *mirror, sha string) error {
	if err := s.readTree(ctx, m, sha); err != nil {
		return err
	}
	_, err := s.run(ctx, m, "clean", "-ffdxq")
	return err
}

// readTree makes index and tree those of the commit; it touches files that differ only.
func (s *slot) readTree(ctx context.Context, m *mirror, sha string) error {
	_, err := s.run(ctx, m, "read-tree", "--reset", "-u", "--end-of-options", sha)
	return err
}

// verify asks for every file that is not what git wrote, by change time and inode, and every file it does not know.
func (s *slot) verify(ctx context.Context, m *mirror) (bool, error) {
	group, ctx := errgroup.WithContext(ctx)
	var altered, unknown []byte
	group.Go(func() (err error) {
		altered, err = s.run(ctx, m, "diff-files", "--name-only", "-z")
		return err
	})
	group.Go(func() (err error) {
		unknown, err = s.run(ctx, m, "ls-files", "-z", "--others")
		return err
	})
	err := group.Wait()
	return len(altered)+len(unknown) == 0, err
}

// hasGitlinks: git looks into no folder that stands for a submodule, so that what is left in it would stay.
func (s *slot) hasGitlinks(ctx context.Context, m *mirror) (bool, error) {
	out, err := s.run(ctx, m, "ls-files", "-z", "--stage")
	if err != nil {
		return false, err
	}
	return strings.HasPrefix(string(out), gitlinkMode) || strings.Contains(string(out), "\x00"+gitlinkMode), nil
}

const gitlinkMode = "160000 "

func (s *slot) run(ctx context.Context, m *mirror, args ...string) ([]byte, error) {
	args = append([]string{"--work-tree=" + s.tree()}, args...)
	return m.run(ctx, call{args: args, dir: s.tree(), env: []string{"GIT_INDEX_FILE=" + s.index()}, config: s.filters, secrets: s.secrets})
}
