package imagetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// startWithin bounds the start of a component on a busy machine.
const startWithin = 2 * time.Minute

// daemon is a component that runs until it is stopped.
type daemon struct {
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{}
	err   error
}

// launch starts a program and waits until ready says so.
func launch(ctx context.Context, dir, name string, env []string, ready func(context.Context) error, args ...string) (*daemon, error) {
	program, err := Tool(name)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, name+".log")) //nolint:gosec // a folder of the test
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // a component of the test
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	d := &daemon{cmd: cmd, log: log, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the process ends with the thread that started it, which therefore waits for it
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			d.err = cmd.Wait()
			close(d.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(err, log.Close())
	}
	if err := d.await(ctx, ready); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), d.stop())
	}
	return d, nil
}

func (d *daemon) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-d.ended:
			said, _ := os.ReadFile(d.log.Name()) // to tell why
			return fmt.Errorf("it ended (%w): %s", d.err, said)
		case <-ctx.Done():
			said, _ := os.ReadFile(d.log.Name()) // to tell why
			return fmt.Errorf("it does not answer (%w): %s", err, said)
		case <-ticks.C:
		}
	}
}

func (d *daemon) stop() error {
	select {
	case <-d.ended:
	default:
		if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		select {
		case <-d.ended:
		case <-time.After(20 * time.Second):
			if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
			<-d.ended
		}
	}
	return d.log.Close()
}

// answers reports whether somebody listens.
func answers(network, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}

// freePort is one that nobody listened on a moment ago.
func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // closed to be used by another
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("a listener without a port")
	}
	return address.Port, nil
}
