package githubtest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// signature is who wrote or committed, and when.
type signature struct {
	name, email string
	at          time.Time
}

// commit is a parsed commit object.
type commit struct {
	sha, tree         string
	parents           []string
	author, committer signature
	message           string
}

func (c *commit) title() string {
	title, _, _ := strings.Cut(c.message, "\n")
	return title
}

func parseCommit(sha, data string) *commit {
	c := &commit{sha: sha}
	head, message, _ := strings.Cut(data, "\n\n")
	c.message = strings.TrimRight(strings.ToValidUTF8(message, "�"), "\n")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "tree":
			c.tree = value
		case "parent":
			c.parents = append(c.parents, value)
		case "author":
			c.author = parseSignature(value)
		case "committer":
			c.committer = parseSignature(value)
		}
	}
	return c
}

func parseSignature(line string) signature {
	name, rest, _ := strings.Cut(line, " <")
	email, rest, _ := strings.Cut(rest, "> ")
	seconds, zone, _ := strings.Cut(rest, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		unix = 0 // git itself reads a damaged date as the beginning of time
	}
	at := time.Unix(unix, 0).UTC()
	if offset, err := time.Parse("-0700", zone); err == nil {
		at = at.In(offset.Location())
	}
	return signature{name: strings.ToValidUTF8(name, "�"), email: strings.ToValidUTF8(email, "�"), at: at}
}

// treeEntry is a name in a tree. path is its full path where a walk made it.
type treeEntry struct {
	mode string // "100644", "100755", "120000", "160000", "040000"
	path string
	sha  string
}

func (e treeEntry) kind() string {
	switch e.mode {
	case "040000":
		return "tree"
	case "160000":
		return "commit"
	default:
		return "blob"
	}
}

func parseTree(data []byte) []treeEntry {
	var entries []treeEntry
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte{' '})
		name, hash, ok2 := bytes.Cut(rest, []byte{0})
		if !ok || !ok2 || len(hash) < 20 {
			return entries
		}
		m := string(mode)
		if len(m) == 5 {
			m = "0" + m
		}
		entries = append(entries, treeEntry{mode: m, path: string(name), sha: hex.EncodeToString(hash[:20])})
		data = hash[20:]
	}
	return entries
}

// lookup finds a path in a tree; the empty path is the tree itself.
func (s *gitStore) lookup(tree, path string) (treeEntry, error) {
	entry := treeEntry{mode: "040000", sha: tree}
	path = strings.Trim(path, "/")
	if path == "" {
		return entry, nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if entry.kind() != "tree" {
			return treeEntry{}, fmt.Errorf("%s: %w", path, errNoObject)
		}
		entries, err := s.tree(entry.sha)
		if err != nil {
			return treeEntry{}, err
		}
		found := false
		for _, e := range entries {
			if e.path == part {
				entry, found = e, true
				break
			}
		}
		if !found {
			return treeEntry{}, fmt.Errorf("%s: %w", path, errNoObject)
		}
	}
	entry.path = path
	return entry, nil
}

var errTooMany = errors.New("too many entries")

// walk lists a tree and everything in it, trees before what they hold, up to limit entries.
func (s *gitStore) walk(tree, prefix string, limit int, visit func(treeEntry)) error {
	entries, err := s.tree(tree)
	if err != nil {
		return err
	}
	count := 0
	return s.walkEntries(entries, prefix, &count, limit, visit)
}

func (s *gitStore) walkEntries(entries []treeEntry, prefix string, count *int, limit int, visit func(treeEntry)) error {
	for _, e := range entries {
		if *count++; *count > limit {
			return errTooMany
		}
		e.path = prefix + e.path
		visit(e)
		if e.kind() != "tree" {
			continue
		}
		inside, err := s.tree(e.sha)
		if err != nil {
			return err
		}
		if err := s.walkEntries(inside, e.path+"/", count, limit, visit); err != nil {
			return err
		}
	}
	return nil
}
