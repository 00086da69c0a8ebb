package workspace

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
)

// Kind tells apart why a checkout could not be made.
type Kind string

// The kinds of Error.
const (
	// KindVanished: the commit is no longer on the server.
	KindVanished Kind = "vanished"
	// KindAuth: the server refused the token.
	KindAuth Kind = "auth"
	// KindGone: the repository does not exist, or the token may not see it.
	KindGone Kind = "gone"
	// KindNetwork: the server was not reached, or failed.
	KindNetwork Kind = "network"
	// KindDisk: no space or no inodes left on our side.
	KindDisk Kind = "disk"
	// KindRefused: the source asks for what is not allowed: an address, a path, a submodule.
	KindRefused Kind = "refused"
	// KindCorrupt: the mirror is damaged. It has been made anew once when this is returned.
	KindCorrupt Kind = "corrupt"
	// KindTool: something a checkout needs is not on this machine (git-lfs).
	KindTool Kind = "tool"
	// KindGit: git failed in a way not known here; the message holds its words.
	KindGit Kind = "git"
)

// Error is a checkout that could not be made.
type Error struct {
	Kind Kind
	// Message is for the user: what happened, why, what to do.
	Message string
	// Infrastructure: not the commit's fault; trying again may help.
	Infrastructure bool
	Err            error
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// refused is an Error about what the source asks for.
func refused(format string, args ...any) *Error {
	return &Error{Kind: KindRefused, Message: fmt.Sprintf(format, args...)}
}

// gitError is a git command that ended badly.
type gitError struct {
	command string // the subcommand, for the log
	stderr  string // what it said, without credentials
	err     error
}

func (e *gitError) Error() string {
	if said := lastLines(e.stderr, 3); said != "" {
		return fmt.Sprintf("git %s: %s", e.command, said)
	}
	return fmt.Sprintf("git %s: %v", e.command, e.err)
}

func (e *gitError) Unwrap() error { return e.err }

// says are git's own words (LC_ALL=C) for each kind, asked in this order: a full disk also ends in "early EOF".
var says = []struct { //nolint:gochecknoglobals // a constant table; Go has no constant slices
	kind Kind
	re   *regexp.Regexp
}{
	{KindDisk, regexp.MustCompile(`No space left on device|Disk quota exceeded`)},
	{KindAuth, regexp.MustCompile(`could not read (Username|Password)|Authentication failed|returned error: 40[13]|Invalid username or password|Write access to repository not granted|terminal prompts disabled`)},
	{KindVanished, regexp.MustCompile(`not our ref|couldn't find remote ref|unadvertised object`)},
	{KindGone, regexp.MustCompile(`Repository not found|returned error: 404|repository '.*' not found|does not appear to be a git repository`)},
	{KindRefused, regexp.MustCompile(`invalid path '|transport '.*' not allowed|malformed(?: object)? name`)},
	{KindNetwork, regexp.MustCompile(`Could not resolve|[Cc]onnection (refused|reset|timed out)|Failed to connect|Couldn't connect|timed out|early EOF|RPC failed|unexpected disconnect|hung up unexpectedly|returned error: (429|5\d\d)|SSL (certificate|connection|peer|routines)|gnutls_|server certificate|too slow|Empty reply|unable to access`)},
	{KindCorrupt, regexp.MustCompile(`(?i)corrupt|bad object|bad tree|unable to read|inflate|not a git repository|does not match index|packfile .* cannot be accessed|failed to read object|failed to unpack|could not parse|missing (blob|tree|commit)|unable to find|not a tree|index file|bad signature|bad index|broken|\.lock': File exists|invalid sha1 pointer|unable to resolve reference|bad (ref|revision|config)|not a valid object name|not a commit|loose object|did not send all necessary objects|revision walk|delta base|pack has|unresolved deltas`)},
}

// kindOf reads a failed git command. Corruption is looked for last and by its own question, because a fetch says
// "bad object" of what the server sends as well.
func kindOf(err error) Kind {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return KindDisk
	}
	var failed *gitError
	if !errors.As(err, &failed) {
		return KindGit
	}
	for _, s := range says {
		if s.re.MatchString(failed.stderr) {
			return s.kind
		}
	}
	return KindGit
}

// explain makes of an error what the user should read about it.
func (j *gitJob) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("checkout of %s: %w", short(j.source.SHA), context.Cause(ctx))
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return err
	}
	e := &Error{Kind: kindOf(err), Err: err, Infrastructure: true}
	host := j.source.host()
	switch e.Kind {
	case KindVanished:
		e.Infrastructure = false
		if j.source.Ref == "" {
			e.Message = fmt.Sprintf("%s has no commit %s: push it there first", j.source.display(), j.source.SHA)
			break
		}
		e.Message = fmt.Sprintf("commit %s is no longer reachable: %s was force-pushed or deleted after the run was asked for; push again",
			j.source.SHA, printable(j.source.Ref))
	case KindAuth:
		e.Message = fmt.Sprintf("%s refused the token for %s: check that the App is still installed on the repository and has the permission Contents: read",
			host, j.source.display())
	case KindGone:
		e.Infrastructure = false
		e.Message = fmt.Sprintf("%s does not show %s: it was deleted or renamed, or the App is no longer installed on it",
			host, j.source.display())
	case KindNetwork:
		e.Message = fmt.Sprintf("fetching %s from %s broke off: %v", j.source.display(), host, err)
	case KindDisk:
		e.Message = fmt.Sprintf("the disk that holds %s is full: free some space there; checkouts that are not in use may be deleted", j.workspace.dir)
	case KindRefused:
		e.Infrastructure = false
		e.Message = fmt.Sprintf("git refuses to check out commit %s: %v; rename the path and push again", short(j.source.SHA), err)
	case KindCorrupt:
		e.Message = fmt.Sprintf("the mirror of %s is damaged and fetching it anew did not help: check the disk below %s (%v)",
			j.source.display(), j.workspace.dir, err)
	default:
		e.Message = fmt.Sprintf("checkout of commit %s of %s: %v", short(j.source.SHA), j.source.display(), err)
	}
	return e
}

// diskFull reports that there is next to no space, or no inode, left for dir.
func diskFull(dir string) bool {
	const little, few = 4 << 20, 16
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return false
	}
	return stat.Bavail*uint64(stat.Bsize) < little || (stat.Files > 0 && stat.Ffree < few) //nolint:gosec // a block size is positive
}

// lastLines returns the last n lines of text that say something, on one line.
func lastLines(text string, n int) string {
	var kept []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, printable(line))
		}
	}
	return strings.Join(kept[max(0, len(kept)-n):], "; ")
}

// printable drops what could steer a terminal and bounds the length: servers and branch names are hostile.
func printable(text string) string {
	const longest = 300
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' || (r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, text)
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

func short(sha string) string { return sha[:min(len(sha), 12)] }
