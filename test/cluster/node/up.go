package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

// up starts the cluster unless one is up, and returns when a pod has run on it.
func up(ctx context.Context, w workshop) error {
	known, running, err := current(w.place)
	if err != nil {
		return err
	}
	if running {
		fmt.Printf("The cluster is up already.\n")
		return tell(known)
	}
	if err := down(ctx, w.place); err != nil {
		return fmt.Errorf("clear what an earlier cluster left: %w", err)
	}
	programs, err := w.build(ctx)
	if err != nil {
		return err
	}
	registry, err := images(ctx, w)
	if err != nil {
		return err
	}
	began := time.Now()
	c, err := start(ctx, w.place, registry, programs)
	if err != nil {
		return errors.Join(err, lastWords(w.place), down(context.WithoutCancel(ctx), w.place))
	}
	fmt.Printf("The cluster is up after %s.\n", time.Since(began).Round(100*time.Millisecond))
	return tell(c)
}

// current reads which cluster was started last, and whether it still runs and was ready.
func current(p place.Place) (c cluster, running bool, err error) {
	c, found, err := recorded[cluster](recordFile(p))
	if err != nil || !found {
		return c, false, err
	}
	_, err = os.Stat(p.Kubeconfig())
	return c, err == nil && c.Process.alive(), nil
}

func tell(c cluster) error {
	_, err := fmt.Printf("  kubeconfig  %s\n  registry    %s\n  kubectl     %s\n  logs        %s\n", c.Place.Kubeconfig(), c.Registry, c.Place.At("bin", "kubectl"), c.Place.Run("log"))
	return err
}

func start(ctx context.Context, p place.Place, registry string, programs map[string]string) (cluster, error) {
	c := cluster{Place: p, Registry: registry, Programs: programs}
	unlock, err := lock(machineLock)
	if err != nil {
		return c, err
	}
	defer unlock()
	if c.Network, err = freeNetwork(ctx); err != nil {
		return c, err
	}
	if c.Kernel, err = readKernel(); err != nil {
		return c, err
	}
	if err := errors.Join(os.RemoveAll(p.Run("log")), os.MkdirAll(p.Run("log"), 0o700)); err != nil {
		return c, err
	}
	if err := c.writeAll(); err != nil {
		return c, err
	}
	if err := record(recordFile(p), c); err != nil {
		return c, err
	}
	if err := makeGroup(c.group()); err != nil {
		return c, err
	}
	node, err := c.startFirst(ctx)
	if err != nil {
		return c, fmt.Errorf("start the node: %w", err)
	}
	ctx, stop := watch(ctx, node, "the node", c.log("node"))
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if c.Process, err = identify(node.Process.Pid); err != nil {
		return c, err
	}
	if err := record(recordFile(p), c); err != nil {
		return c, err
	}
	return c, c.settle(ctx)
}

// machineLock keeps two checkouts from choosing the same network.
const machineLock = "/run/lock/slipway-cluster"

// lock waits until nobody else holds the lock; it is let go of with the process at the latest.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as Debian has it
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // a file of ours
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { _ = file.Close() }, nil // nothing was written
}

// startFirst starts this program again, as the first process of namespaces of its own, and connects its network.
func (c cluster) startFirst(ctx context.Context) (*exec.Cmd, error) {
	if err := os.MkdirAll(kubeletRoot, 0o755); err != nil { //nolint:gosec // the place to mount on; see down
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	waiting, laid, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = laid.Close() }() // closing it is the message
	log, err := os.Create(c.log("node"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()                // the node has its own descriptor
	cmd := exec.Command(self, "first", c.Place.Run()) //nolint:gosec,noctx // it lives on after this program
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + c.searchPath(), place.Variable + "=" + string(c.Place)}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{waiting}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := errors.Join(waiting.Close(), c.Network.connect(ctx, cmd.Process.Pid)); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return cmd, nil
}

// settle waits until the cluster does what clusters do, and only then tells others where it is.
func (c cluster) settle(ctx context.Context) error {
	if err := await(ctx, "the API server", c.serverReady); err != nil {
		return err
	}
	if err := c.kubectl(ctx, "apply", "--filename", c.config("storageclass.json")); err != nil {
		return err
	}
	timeout := "--timeout=" + patience.String()
	for _, wanted := range [][]string{
		{"--for=create", "node/" + nodeName},
		{"--for=condition=Ready", "node/" + nodeName},
		{"--for=create", "serviceaccount/default"},
	} {
		if err := c.kubectl(ctx, append([]string{"wait", timeout}, wanted...)...); err != nil {
			return err
		}
	}
	if err := c.tryPod(ctx, timeout); err != nil {
		return fmt.Errorf("run a first pod: %w", err)
	}
	access, err := os.ReadFile(c.access("admin"))
	if err != nil {
		return err
	}
	return write(c.Place.Kubeconfig(), access)
}

func (c cluster) tryPod(ctx context.Context, timeout string) error {
	const pod = "first"
	if err := c.kubectl(ctx, "run", pod, "--image", pauseImage, "--restart=Never"); err != nil {
		return err
	}
	if err := c.kubectl(ctx, "wait", timeout, "--for=condition=Ready", "pod/"+pod); err != nil {
		return err
	}
	return c.kubectl(ctx, "delete", "--now", "pod/"+pod)
}

func (c cluster) kubectl(ctx context.Context, args ...string) error {
	_, err := output(ctx, c.Programs["kubectl"], append([]string{"--kubeconfig", c.access("admin"), "--cache-dir", c.file("kubectl")}, args...)...)
	return err
}

// lastWords is the end of every log, for whoever has nothing but the output.
func lastWords(p place.Place) error {
	logs, err := filepath.Glob(p.Run("log", "*.log"))
	if err != nil {
		return err
	}
	var said []error
	for _, file := range logs {
		text, err := os.ReadFile(file) //nolint:gosec // a log of ours
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		said = append(said, fmt.Errorf("--- %s\n%s", filepath.Base(file), strings.Join(lines[max(0, len(lines)-8):], "\n")))
	}
	return errors.Join(said...)
}
