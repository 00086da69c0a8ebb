package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cableDescriptor is closed by the parent when the node's end of the cable is there.
const cableDescriptor = 3

// patience is how long a part of the node may take to be ready; on a busy machine they are slow.
const patience = 3 * time.Minute

// first is the first process of the node, in namespaces of its own: what it starts sees no other processes, has its own
// mounts and network, and ends with it. That is how the node leaves nothing behind, however it ends.
func first(ctx context.Context, c cluster) error {
	if _, err := io.Copy(io.Discard, os.NewFile(cableDescriptor, "cable")); err != nil {
		return fmt.Errorf("wait for the cable: %w", err)
	}
	if err := unix.Sethostname([]byte(nodeName)); err != nil {
		return fmt.Errorf("name the node: %w", err)
	}
	if err := c.mount(); err != nil {
		return err
	}
	if err := c.Network.receive(ctx); err != nil {
		return fmt.Errorf("connect the node: %w", err)
	}
	// Between pods, and between pods and the machine.
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return fmt.Errorf("let the node pass packets on: %w", err)
	}
	s := supervisor{cluster: c, running: map[int]program{}, starts: map[string][]time.Time{}}
	return s.run(ctx)
}

// mount gives the node its own view of the paths that the daemons write to.
func (c cluster) mount() error {
	for _, m := range []struct {
		from, to, kind string
		flags          uintptr
	}{
		// What is mounted here stays here; pods may see what their node mounts later.
		{"", "/", "", unix.MS_REC | unix.MS_SLAVE},
		{"", "/", "", unix.MS_REC | unix.MS_SHARED},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV},
		{c.file("kubelet"), kubeletRoot, "", unix.MS_BIND},
		{c.file("log"), "/var/log", "", unix.MS_BIND},
	} {
		if err := unix.Mount(m.from, m.to, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.from, m.to, err)
		}
	}
	return nil
}

// kubeletRoot is written into the kubelet in places.
const kubeletRoot = "/var/lib/kubelet"

// supervisor starts the daemons in order and starts those again that end.
type supervisor struct {
	cluster

	running map[int]program
	starts  map[string][]time.Time
}

func (s *supervisor) run(ctx context.Context) error {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	if err := s.startAll(s.foundations()); err != nil {
		return err
	}
	ready := make(chan error, 1)
	go func() { ready <- s.awaitServer(ctx) }()
	for {
		var err error
		select {
		case <-ended:
			err = s.reap()
		case err = <-ready:
			if err == nil {
				err = s.startAll(s.dependents())
			}
		case <-ctx.Done():
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *supervisor) startAll(programs []program) error {
	for _, p := range programs {
		if err := s.start(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *supervisor) start(p program) error {
	path, err := exec.LookPath(p.path)
	if err != nil {
		return err
	}
	cmd, err := daemon(s.log(p.name), nil, path, p.args...)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	s.running[cmd.Process.Pid] = p
	s.starts[p.name] = append(s.starts[p.name], time.Now())
	log.Printf("%s has started as process %d", p.name, cmd.Process.Pid)
	return nil
}

// reap takes note of every process that has ended: daemons, and what others left to the first process.
func (s *supervisor) reap() error {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.ECHILD) || err == nil && pid == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for processes: %w", err)
		}
		if p, ours := s.running[pid]; ours {
			delete(s.running, pid)
			if err := s.again(p, status); err != nil {
				return err
			}
		}
	}
}

// A daemon that ends more often than this within so long is given up, and the node with it.
const (
	maxStarts = 5
	within    = 30 * time.Second
)

func (s *supervisor) again(p program, status unix.WaitStatus) error {
	log.Printf("%s has ended: exit code %d, signal %d", p.name, status.ExitStatus(), status.Signal())
	lately := s.starts[p.name]
	for len(lately) > 0 && time.Since(lately[0]) > within {
		lately = lately[1:]
	}
	s.starts[p.name] = lately
	if len(lately) >= maxStarts {
		return fmt.Errorf("%s has ended %d times within %s; see %s", p.name, len(lately), within, s.log(p.name))
	}
	return s.start(p)
}

func (s *supervisor) awaitServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return await(ctx, "the API server", s.serverReady)
}

// serverReady asks the API server as its administrator.
func (c cluster) serverReady(ctx context.Context) error {
	own, err := tls.LoadX509KeyPair(c.certificate("admin"), c.key("admin"))
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(c.certificate("ca"))
	if err != nil {
		return err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: trusted, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	return answers(ctx, &http.Client{Transport: transport}, c.server()+"/readyz")
}

// answers is nil when the address answers that all is well.
func answers(ctx context.Context, client *http.Client, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // the status was all
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}
