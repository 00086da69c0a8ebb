package githubtest

import (
	"fmt"
	"slices"
)

// Comment writes a comment on a pull request and returns its number.
func (p *Person) Comment(fullName string, number int, body string) (int64, error) {
	user, _, pull, err := p.pull(fullName, number, "read")
	if err != nil {
		return 0, err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	c, err := p.g.addComment(pull, user, nil, body)
	if err != nil {
		return 0, err
	}
	return c.id, nil
}

// comment finds a comment the person may change: their own, or any with the write role.
func (p *Person) comment(fullName string, id int64) (*account, *issueComment, error) {
	user, repo, err := p.enter(fullName, "read")
	if err != nil {
		return nil, nil, err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	c := repo.comment(id)
	switch {
	case c == nil:
		return nil, nil, fmt.Errorf("%s has no comment %d", fullName, id)
	case c.author != user && !p.g.mayPush(repo, p.login):
		return nil, nil, forbidden(fmt.Sprintf("%s may not change a comment of %s", p.login, c.author.login))
	}
	return user, c, nil
}

// EditComment changes a comment, the person's own or, with the write role, another's.
func (p *Person) EditComment(fullName string, id int64, body string) error {
	user, c, err := p.comment(fullName, id)
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	return p.g.editComment(c, user, body)
}

// DeleteComment removes a comment.
func (p *Person) DeleteComment(fullName string, id int64) error {
	user, c, err := p.comment(fullName, id)
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.g.removeComment(c, user)
	return nil
}

// React answers a comment by a sign ("+1", "eyes").
func (p *Person) React(fullName string, id int64, content string) error {
	user, repo, err := p.enter(fullName, "read")
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	c := repo.comment(id)
	if c == nil || !slices.Contains(reactionContents, content) {
		return fmt.Errorf("react to comment %d of %s with %q: no such comment or reaction", id, fullName, content)
	}
	c.reactions = append(c.reactions, &reaction{id: p.g.id(), user: user, content: content, at: p.g.now()})
	p.g.touch()
	return nil
}

// checkRun finds a run the person may click on.
func (p *Person) checkRun(fullName string, id int64) (*account, *checkRun, error) {
	// Who may click is undocumented; whoever sees a public repository's check with the write role certainly may, and an
	// App has to authorise the sender anyway, so that readers are let through here.
	user, repo, err := p.enter(fullName, "read")
	if err != nil {
		return nil, nil, err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	run := repo.runsByID[id]
	if run == nil {
		return nil, nil, fmt.Errorf("%s has no check run %d", fullName, id)
	}
	return user, run, nil
}

// ClickAction presses a button of a finished check run.
func (p *Person) ClickAction(fullName string, runID int64, identifier string) error {
	user, run, err := p.checkRun(fullName, runID)
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	if run.status != "completed" || !slices.ContainsFunc(run.actions, func(a Action) bool { return a.Identifier == identifier }) {
		return fmt.Errorf("check run %s shows no button %q", run.name, identifier)
	}
	p.g.checkRunEvent(run, "requested_action", user, doc{"requested_action": doc{"identifier": identifier}})
	p.g.touch()
	return nil
}

// Rerequest presses "Re-run" at a check run.
func (p *Person) Rerequest(fullName string, runID int64) error {
	user, run, err := p.checkRun(fullName, runID)
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	return p.g.rerequestRun(run, user)
}

// RerequestFailed presses "Re-run failed checks" of a suite: every failed run is asked for by itself.
func (p *Person) RerequestFailed(fullName string, suiteID int64) error {
	user, suite, err := p.suite(fullName, suiteID)
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	for _, run := range slices.Backward(suite.newest()) {
		if run.status == "completed" && !slices.Contains([]string{"success", "neutral", "skipped"}, run.conclusion) {
			if err := p.g.rerequestRun(run, user); err != nil {
				return err
			}
		}
	}
	return nil
}

// RerequestSuite presses "Re-run all checks".
func (p *Person) RerequestSuite(fullName string, suiteID int64) error {
	user, suite, err := p.suite(fullName, suiteID)
	if err != nil {
		return err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	p.g.rerequestSuite(suite, user)
	return nil
}

func (p *Person) suite(fullName string, id int64) (*account, *checkSuite, error) {
	user, repo, err := p.enter(fullName, "read")
	if err != nil {
		return nil, nil, err
	}
	p.g.mu.Lock()
	defer p.g.mu.Unlock()
	i := slices.IndexFunc(repo.suites, func(s *checkSuite) bool { return s.id == id })
	if i < 0 {
		return nil, nil, fmt.Errorf("%s has no check suite %d", fullName, id)
	}
	return user, repo.suites[i], nil
}
