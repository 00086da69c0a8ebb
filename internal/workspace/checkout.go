package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// gitJob is one checkout of one commit.
type gitJob struct {
	workspace *Workspace
	source    source
	mirror    *mirror
	token     string
	// keep: the tree may serve the next commit.
	keep bool
	log  func(string)
}

// closeTimeout bounds the cleaning of a tree; one that takes longer is removed.
const closeTimeout = 2 * time.Minute

func (w *Workspace) newGitJob(from pipeline.GitSource, trusted bool, token string, log func(string)) (*gitJob, error) {
	s, err := checkSource(from, w.opts.AllowFile)
	if err != nil {
		return nil, err
	}
	return &gitJob{
		workspace: w, source: s, mirror: w.mirror(s, token, log), token: token, log: log,
		keep: trusted && !s.Submodules && !s.LFS && w.opts.KeepTrees > 0,
	}, nil
}

func (j *gitJob) trees() string { return filepath.Join(j.workspace.dir, "trees", j.source.key()) }

// checkout makes the mirror anew once when it turns out to be damaged.
func (j *gitJob) checkout(ctx context.Context) (*Checkout, error) {
	seen := j.mirror.identity()
	c, err := j.attempt(ctx)
	if err == nil || ctx.Err() != nil || kindOf(err) != KindCorrupt {
		return c, j.explain(ctx, err)
	}
	j.log(fmt.Sprintf("the mirror of %s is damaged; it is fetched anew", j.source.display()))
	if err := j.mirror.discard(ctx, seen); err != nil {
		return nil, j.explain(ctx, err)
	}
	c, err = j.attempt(ctx)
	return c, j.explain(ctx, err)
}

func (j *gitJob) attempt(ctx context.Context) (*Checkout, error) {
	if err := j.mirror.ensure(ctx); err != nil {
		return nil, j.noteFullDisk(err)
	}
	s, err := acquire(j.trees(), j.source.SHA, j.keep)
	if err != nil {
		return nil, err
	}
	c, err := j.fill(ctx, s)
	if err != nil {
		return nil, errors.Join(j.noteFullDisk(err), s.remove(), s.free())
	}
	return c, nil
}

// noteFullDisk adds the reason git leaves out when it cannot write a file. It is looked for before what was written is
// removed again.
func (j *gitJob) noteFullDisk(err error) error {
	if kindOf(err) == KindGit && diskFull(j.workspace.dir) {
		return errors.Join(err, syscall.ENOSPC)
	}
	return err
}

func (j *gitJob) fill(ctx context.Context, s *slot) (*Checkout, error) {
	start := time.Now()
	reused := j.keep && s.cleanAt() != ""
	if err := j.prepareLargeFiles(s); err != nil {
		return nil, err
	}
	if err := s.fill(ctx, j.mirror, j.source.SHA, j.keep); err != nil {
		return nil, err
	}
	if err := j.writeDotGit(ctx, s); err != nil {
		return nil, err
	}
	if err := j.readBack(ctx, s); err != nil {
		return nil, err
	}
	if j.source.Submodules {
		if err := j.addSubmodules(ctx, s.tree(), s.index(), 1); err != nil {
			return nil, err
		}
	}
	how := "checked out"
	if reused {
		how = "moved a clean checkout to"
	}
	j.log(fmt.Sprintf("%s %s in %s", how, short(j.source.SHA), time.Since(start).Round(time.Millisecond)))
	return &Checkout{
		Dir:      s.tree(),
		ReadOnly: []string{j.mirror.objects()},
		slot:     s,
		close:    func() error { return j.close(s) },
	}, nil
}

// readBack asks git what the checkout is and compares it with what was wanted: the commit by the stage's own HEAD, the
// files by the tree git makes of the index it wrote them from.
func (j *gitJob) readBack(ctx context.Context, s *slot) error {
	out, err := j.workspace.git.run(ctx, call{
		args: []string{"--git-dir=" + filepath.Join(s.tree(), ".git"), "rev-parse", "HEAD^{commit}", "HEAD^{tree}"},
	})
	if err != nil {
		return err
	}
	head, want, _ := strings.Cut(string(out), "\n")
	if head != j.source.SHA {
		return fmt.Errorf("the checkout is at %s, not at %s", head, j.source.SHA)
	}
	written, err := s.run(ctx, j.mirror, "write-tree")
	if err != nil {
		return err
	}
	if want != string(written) {
		return fmt.Errorf("the checkout of %s holds another tree", short(j.source.SHA))
	}
	return nil
}

// close cleans the tree for the next commit, or removes it. What a stage left (secrets in a file, gigabytes of
// packages) never stays.
func (j *gitJob) close(s *slot) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if !j.keep || !j.cleaned(ctx, s) {
		if err := s.remove(); err != nil {
			return errors.Join(fmt.Errorf("remove the checkout: %w", err), s.free())
		}
	}
	return errors.Join(s.free(), j.workspace.prune(j.trees()))
}

// cleaned reports whether the tree is again exactly the commit and marked so. When git cannot bring it back the tree is
// not worth an error: it is removed.
func (j *gitJob) cleaned(ctx context.Context, s *slot) bool {
	if !s.usable() || removeTree(filepath.Join(s.tree(), ".git")) != nil {
		return false
	}
	links, err := s.hasGitlinks(ctx, j.mirror)
	if links || err != nil || s.restore(ctx, j.mirror, j.source.SHA) != nil {
		return false
	}
	return os.WriteFile(s.marker(), []byte(j.source.SHA), 0o600) == nil
}
