// Package peer finds out which process is at the other end of a loopback connection: a person's browser, or a stage in a
// sandbox that shares the host's network.
package peer

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Kind says who a connection comes from.
type Kind int

// The kinds of peers.
const (
	// Unknown: the socket was not found, or belongs to another user whose processes we may not look at.
	Unknown Kind = iota
	// Local: a process of this machine that sees the same processes as we do.
	Local
	// Sandboxed: a process of our own user in a process namespace of its own, or one that hides.
	Sandboxed
	// Contained: a process of another user in a process namespace of its own: a container, but none of ours, since
	// stages run as our own user. A web proxy may be one.
	Contained
)

// Of looks up the process that connected from client to server, both addresses of this machine. It reads /proc; an error
// means that it could not.
//
// A sandboxed stage runs as our own user, in a process namespace of its own. It may pass its socket from process to
// process while we look, but never to one outside: so a socket of our own user is Local only if its owner was found
// outside every sandbox.
func Of(client, server netip.AddrPort) (Kind, error) {
	return finder{root: "/proc", uid: os.Getuid()}.of(client, server)
}

// finder looks below a /proc.
type finder struct {
	root string
	uid  int
}

func (f finder) of(client, server netip.AddrPort) (Kind, error) {
	s, err := f.socket(client, server)
	if err != nil || s.inode == "" {
		return Unknown, err
	}
	own, err := os.Readlink(filepath.Join(f.root, "self/ns/pid"))
	if err != nil {
		return Unknown, fmt.Errorf("our own process namespace: %w", err)
	}
	holders, err := f.holders(s.inode)
	if err != nil {
		return Unknown, err
	}
	kind := Unknown
	if s.uid == f.uid {
		kind = Sandboxed
	}
	for _, holder := range holders {
		namespace, err := os.Readlink(filepath.Join(holder, "ns/pid"))
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // it has ended
		case err != nil:
			return Unknown, fmt.Errorf("process namespace of the peer: %w", err)
		case namespace != own && s.uid == f.uid:
			return Sandboxed, nil
		case namespace != own:
			return Contained, nil
		}
		kind = Local
	}
	return kind, nil
}

// holders are the processes, as folders of /proc, that have the socket open. Those we may not look at are left out.
func (f finder) holders(inode string) ([]string, error) {
	processes, err := filepath.Glob(filepath.Join(f.root, "[0-9]*"))
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	want := "socket:[" + inode + "]"
	var found []string
	for _, process := range processes {
		descriptors, err := os.ReadDir(filepath.Join(process, "fd"))
		if err != nil {
			continue // another user's, or it has ended
		}
		for _, d := range descriptors {
			if target, err := os.Readlink(filepath.Join(process, "fd", d.Name())); err == nil && target == want {
				found = append(found, process)
				break
			}
		}
	}
	return found, nil
}

// socket is a line of /proc/net/tcp.
type socket struct {
	uid   int
	inode string
}

// socket finds the client's end of the connection; an empty inode: there is none (any more).
func (f finder) socket(client, server netip.AddrPort) (socket, error) {
	for _, table := range []string{"self/net/tcp", "self/net/tcp6"} {
		text, err := os.ReadFile(filepath.Join(f.root, table)) //nolint:gosec // one of two names below /proc
		if errors.Is(err, os.ErrNotExist) {
			continue // a machine without IPv6
		}
		if err != nil {
			return socket{}, fmt.Errorf("sockets of this machine: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			local, remote, s, ok := parseSocket(line)
			if ok && local == client && remote == server {
				return s, nil
			}
		}
	}
	return socket{}, nil
}
