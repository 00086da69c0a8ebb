package githubtest

// pathChanges are the paths one tree has and another has not, or has otherwise, as push payloads list them.
type pathChanges struct {
	added, removed, modified []string
}

// changes compares two trees by path; an empty hash is the empty tree. Shared subtrees are not looked into.
func (s *gitStore) changes(from, to string) (pathChanges, error) {
	c := pathChanges{added: []string{}, removed: []string{}, modified: []string{}}
	return c, s.compareTrees(&c, "", from, to)
}

func (s *gitStore) compareTrees(c *pathChanges, prefix, from, to string) error {
	if from == to {
		return nil
	}
	before, err := s.entriesByName(from)
	if err != nil {
		return err
	}
	var after []treeEntry
	if to != "" {
		if after, err = s.tree(to); err != nil {
			return err
		}
	}
	for _, e := range after {
		old, had := before[e.path]
		delete(before, e.path)
		if had && old.sha == e.sha && old.mode == e.mode {
			continue
		}
		if err := s.compareEntries(c, prefix+e.path, old, e); err != nil {
			return err
		}
	}
	for _, e := range before {
		if err := s.compareEntries(c, prefix+e.path, e, treeEntry{}); err != nil {
			return err
		}
	}
	return nil
}

// compareEntries records what became of one name; an entry without a hash is none.
func (s *gitStore) compareEntries(c *pathChanges, path string, old, now treeEntry) error {
	oldTree, nowTree := "", ""
	isFile := func(e treeEntry) bool { return e.sha != "" && e.kind() != "tree" }
	if old.sha != "" && !isFile(old) {
		oldTree = old.sha
	}
	if now.sha != "" && !isFile(now) {
		nowTree = now.sha
	}
	switch {
	case isFile(old) && isFile(now):
		c.modified = append(c.modified, path)
	case isFile(now):
		c.added = append(c.added, path)
	case isFile(old):
		c.removed = append(c.removed, path)
	}
	return s.compareTrees(c, path+"/", oldTree, nowTree)
}

func (s *gitStore) entriesByName(tree string) (map[string]treeEntry, error) {
	byName := map[string]treeEntry{}
	if tree == "" {
		return byName, nil
	}
	entries, err := s.tree(tree)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		byName[e.path] = e
	}
	return byName, nil
}

// commitChanges are what a commit did to its first parent.
func (s *gitStore) commitChanges(c *commit) (pathChanges, error) {
	from := ""
	if len(c.parents) > 0 {
		parent, err := s.commit(c.parents[0])
		if err != nil {
			return pathChanges{}, err
		}
		from = parent.tree
	}
	return s.changes(from, c.tree)
}
