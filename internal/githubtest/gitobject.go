package githubtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// objectReader asks one long-lived git process for objects: a thousand times cheaper than a process for each.
type objectReader struct {
	dir string

	mu     sync.Mutex
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	closed bool
	// commits and trees never change; they are remembered, up to a bound.
	commits map[string]*commit
	trees   map[string][]treeEntry
	sizes   map[string]int
}

const rememberObjects = 20000

func (r *objectReader) start() error {
	r.cmd = exec.Command("git", "--git-dir="+r.dir, "cat-file", "--batch") //nolint:noctx,gosec // lives until close; the folder is the stand-in's own
	r.cmd.Env = gitEnv()
	// A terminal's interrupt reaches its whole process group; this process ends with its input.
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := r.cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start git cat-file: %w", err)
	}
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start git cat-file: %w", err)
	}
	r.stdin, r.stdout = stdin, bufio.NewReaderSize(stdout, 64<<10)
	if err := r.cmd.Start(); err != nil {
		r.cmd = nil
		return fmt.Errorf("start git cat-file: %w", err)
	}
	return nil
}

// read returns an object by its full hash. r.mu is held.
func (r *objectReader) read(sha string) (kind string, data []byte, err error) {
	if !isSHA(sha) {
		return "", nil, fmt.Errorf("%q: %w", sha, errNoObject)
	}
	if r.closed {
		return "", nil, errors.New("the GitHub stand-in is closed")
	}
	if r.cmd == nil {
		if err := r.start(); err != nil {
			return "", nil, err
		}
	}
	if _, err := io.WriteString(r.stdin, sha+"\n"); err != nil {
		return "", nil, fmt.Errorf("ask git for %s: %w", sha, err)
	}
	header, err := r.stdout.ReadString('\n')
	if err != nil {
		return "", nil, fmt.Errorf("read %s from git: %w", sha, err)
	}
	fields := strings.Fields(header)
	if len(fields) != 3 {
		return "", nil, fmt.Errorf("%s: %w", sha, errNoObject)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return "", nil, fmt.Errorf("read %s from git: %w", sha, err)
	}
	data = make([]byte, size+1) // and the newline after it
	if _, err := io.ReadFull(r.stdout, data); err != nil {
		return "", nil, fmt.Errorf("read %s from git: %w", sha, err)
	}
	return fields[1], data[:size], nil
}

func (r *objectReader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.cmd == nil {
		return nil
	}
	err := errors.Join(r.stdin.Close(), r.cmd.Wait())
	r.cmd = nil
	return err
}

// blob returns the content of a file by its hash.
func (s *gitStore) blob(sha string) ([]byte, error) {
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	kind, data, err := s.objects.read(sha)
	if err == nil && kind != "blob" {
		err = fmt.Errorf("%s is a %s: %w", sha, kind, errNoObject)
	}
	return data, err
}

// commit reads a commit by its full hash, following an annotated tag.
func (s *gitStore) commit(sha string) (*commit, error) {
	r := &s.objects
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.commits[sha]; ok {
		return c, nil
	}
	id := sha
	for range 5 {
		kind, data, err := r.read(id)
		if err != nil {
			return nil, err
		}
		switch kind {
		case "commit":
			if r.commits == nil || len(r.commits) >= rememberObjects {
				r.commits = map[string]*commit{}
			}
			r.commits[sha] = parseCommit(id, string(data))
			return r.commits[sha], nil
		case "tag":
			target, _, _ := strings.Cut(strings.TrimPrefix(string(data), "object "), "\n")
			id = target
		default:
			return nil, fmt.Errorf("%s is a %s: %w", sha, kind, errNoObject)
		}
	}
	return nil, fmt.Errorf("%s: %w", sha, errNoObject)
}

// kind is the kind of an object by its full hash.
func (s *gitStore) kind(sha string) (string, error) {
	s.objects.mu.Lock()
	defer s.objects.mu.Unlock()
	kind, _, err := s.objects.read(sha)
	return kind, err
}

// tree reads one tree, not those in it, by its full hash.
func (s *gitStore) tree(sha string) ([]treeEntry, error) {
	r := &s.objects
	r.mu.Lock()
	defer r.mu.Unlock()
	if t, ok := r.trees[sha]; ok {
		return t, nil
	}
	kind, data, err := r.read(sha)
	if err != nil {
		return nil, err
	}
	if kind != "tree" {
		return nil, fmt.Errorf("%s is a %s: %w", sha, kind, errNoObject)
	}
	if r.trees == nil || len(r.trees) >= rememberObjects {
		r.trees = map[string][]treeEntry{}
	}
	r.trees[sha] = parseTree(data)
	return r.trees[sha], nil
}

// size is the length of a file by its hash; 0 when there is no such file.
func (s *gitStore) size(sha string) int {
	r := &s.objects
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := r.sizes[sha]; ok {
		return n
	}
	_, data, err := r.read(sha)
	if err != nil {
		return 0
	}
	if r.sizes == nil || len(r.sizes) >= rememberObjects {
		r.sizes = map[string]int{}
	}
	r.sizes[sha] = len(data)
	return len(data)
}
