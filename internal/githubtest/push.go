package githubtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// refUpdate is a reference that moved.
type refUpdate struct {
	name, before, after string // zeroSHA: it was or is not there
}

func (u refUpdate) branch() (string, bool) { return strings.CutPrefix(u.name, "refs/heads/") }

// GitHub's limits on what a push tells.
const (
	maxTagsTold     = 3
	maxBranchesTold = 5000
	maxCommitsTold  = 2048
)

// pushed is everything about a moved branch that had to be asked from git, before the state changes.
type pushed struct {
	refUpdate
	commits []*commit
	changes []pathChanges
	head    *commit
	// headChanges are those of head, which a branch that moved back does not list among its commits.
	headChanges pathChanges
	forced      bool
}

// settle takes over the references as they are on disk now and does what GitHub does after a push. r.moving is held,
// g.mu is not.
func (g *GitHub) settle(ctx context.Context, r *repository, by *account) error {
	refs, err := r.git.refs(ctx)
	if err != nil {
		return err
	}
	g.mu.Lock()
	before := maps.Clone(r.refs)
	g.mu.Unlock()
	return g.moved(ctx, r, by, refUpdates(before, refs))
}

func refUpdates(before, after map[string]string) []refUpdate {
	var updates []refUpdate
	for name, sha := range after {
		if old, had := before[name]; !had {
			updates = append(updates, refUpdate{name, zeroSHA, sha})
		} else if old != sha {
			updates = append(updates, refUpdate{name, old, sha})
		}
	}
	for name, old := range before {
		if _, has := after[name]; !has {
			updates = append(updates, refUpdate{name, old, zeroSHA})
		}
	}
	slices.SortFunc(updates, func(a, b refUpdate) int { return strings.Compare(a.name, b.name) })
	return updates
}

// moved records references that have moved on disk and tells of them. r.moving is held, g.mu is not.
func (g *GitHub) moved(ctx context.Context, r *repository, by *account, updates []refUpdate) error {
	if len(updates) == 0 {
		return nil
	}
	g.mu.Lock()
	known := maps.Clone(r.refs)
	g.mu.Unlock()
	told := tellable(updates)
	facts := make([]pushed, 0, len(told))
	for _, u := range told {
		p, err := r.describe(ctx, u, known)
		if err != nil {
			return err
		}
		facts = append(facts, p)
	}
	g.mu.Lock()
	for _, u := range updates {
		if u.after == zeroSHA {
			delete(r.refs, u.name)
		} else {
			r.refs[u.name] = u.after
		}
	}
	r.pushedAt = g.now()
	for _, p := range facts {
		g.tellPush(r, by, p)
	}
	heads := g.pullsToFollow(r, updates)
	g.touch()
	g.mu.Unlock()
	return g.followPulls(ctx, r, by, heads)
}

// tellable leaves out what GitHub does not tell: tags when there are more than three, branches beyond 5,000.
func tellable(updates []refUpdate) []refUpdate {
	tags, branches := 0, 0
	for _, u := range updates {
		if strings.HasPrefix(u.name, "refs/tags/") {
			tags++
		} else if _, ok := u.branch(); ok {
			branches++
		}
	}
	return slices.DeleteFunc(slices.Clone(updates), func(u refUpdate) bool {
		if strings.HasPrefix(u.name, "refs/tags/") {
			return tags > maxTagsTold
		}
		_, isBranch := u.branch()
		return !isBranch || branches > maxBranchesTold
	})
}

// describe asks git what a moved reference brought.
func (r *repository) describe(ctx context.Context, u refUpdate, known map[string]string) (pushed, error) {
	p := pushed{refUpdate: u}
	if u.after == zeroSHA {
		return p, nil
	}
	head, err := r.git.commit(u.after)
	if err != nil {
		return p, fmt.Errorf("read what was pushed to %s: %w", u.name, err)
	}
	p.head = head
	if p.headChanges, err = r.git.commitChanges(head); err != nil {
		return p, err
	}
	if _, isBranch := u.branch(); !isBranch {
		return p, nil
	}
	if err := r.describeCommits(ctx, &p, known); err != nil {
		return p, err
	}
	return p, nil
}

func (r *repository) describeCommits(ctx context.Context, p *pushed, known map[string]string) error {
	have := []string{p.before}
	if p.before == zeroSHA { // a new branch brings what no other branch had
		have = nil
		for name, sha := range known {
			if strings.HasPrefix(name, "refs/heads/") {
				have = append(have, sha)
			}
		}
	}
	shas, err := r.git.missing(ctx, p.after, have...)
	if err != nil {
		return err
	}
	if p.before != zeroSHA {
		base, err := r.git.ancestor(ctx, p.before, p.after, shas)
		if err != nil {
			return err
		}
		p.forced = !base
	}
	if len(shas) > maxCommitsTold {
		shas = shas[len(shas)-maxCommitsTold:]
	}
	for _, sha := range shas {
		c, err := r.git.commit(sha)
		if err != nil {
			return err
		}
		changes, err := r.git.commitChanges(c)
		if err != nil {
			return err
		}
		p.commits, p.changes = append(p.commits, c), append(p.changes, changes)
	}
	return nil
}

// ancestor reports whether old is an ancestor of tip. between are the commits missing in old, oldest first.
func (s *gitStore) ancestor(ctx context.Context, old, tip string, between []string) (bool, error) {
	if old == tip {
		return true, nil
	}
	if len(between) > 0 {
		if first, err := s.commit(between[0]); err == nil && slices.Contains(first.parents, old) {
			return true, nil
		}
	}
	base, err := s.mergeBase(ctx, old, tip)
	return base == old, err
}

// tellPush sends push and, where Apps want them, makes check suites. g.mu is held.
func (g *GitHub) tellPush(r *repository, by *account, p pushed) {
	g.tell(r, by, "push", "", g.pushDoc(r, by, p))
	branch, isBranch := p.branch()
	if isBranch && p.after != zeroSHA {
		g.suitesForPush(r, by, branch, p)
	}
}

func (g *GitHub) pushDoc(r *repository, by *account, p pushed) doc {
	commits := []doc{}
	var head any
	for i, c := range p.commits {
		commits = append(commits, g.pushCommitDoc(r, c, p.changes[i]))
	}
	if p.head != nil {
		head = g.pushCommitDoc(r, p.head, p.headChanges)
	}
	html := r.html(g)
	compare := html + "/compare/" + p.before[:12] + "..." + p.after[:12]
	if p.before == zeroSHA {
		compare = html + "/commit/" + p.after[:12]
	}
	return doc{
		"ref": p.name, "before": p.before, "after": p.after, "created": p.before == zeroSHA, "deleted": p.after == zeroSHA,
		"forced": p.forced, "base_ref": nil, "compare": compare, "commits": commits, "head_commit": head,
		"pusher":     doc{"name": by.login, "email": by.email()},
		"repository": g.pushRepositoryDoc(r),
	}
}

func (g *GitHub) pushCommitDoc(r *repository, c *commit, changes pathChanges) doc {
	return doc{
		"id": c.sha, "tree_id": c.tree, "distinct": true, "message": c.message,
		"timestamp": c.committer.at.Format("2006-01-02T15:04:05Z07:00"), "url": r.html(g) + "/commit/" + c.sha,
		"author": g.pushPersonDoc(c.author), "committer": g.pushPersonDoc(c.committer),
		"added": changes.added, "removed": changes.removed, "modified": changes.modified,
	}
}

func (g *GitHub) pushPersonDoc(s signature) doc {
	d := doc{"name": s.name, "email": s.email}
	if a := g.accountByEmail(s.email); a != nil {
		d["username"] = a.login
	}
	return d
}

// accountByEmail finds whose commits carry an address. g.mu is held.
func (g *GitHub) accountByEmail(email string) *account {
	name, ok := strings.CutSuffix(email, "@users.noreply.github.com")
	if !ok {
		return nil
	}
	_, login, _ := strings.Cut(name, "+")
	return g.account(login)
}
