package imagetest

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
)

// StartDocker starts a Docker engine that keeps everything below dir.
func StartDocker(ctx context.Context, dir string) (host string, stop func() error, err error) {
	socket := filepath.Join(dir, "docker.sock")
	d, err := launch(ctx, dir, "dockerd", nil, answers("unix", socket),
		"--host", "unix://"+socket, "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "--bridge", "none", "--iptables=false", "--storage-driver", "vfs")
	if err != nil {
		return "", nil, err
	}
	return "unix://" + socket, func() error {
		err := d.stop()
		// The engine leaves the mount of its network namespace behind.
		unmounted := syscall.Unmount(filepath.Join(dir, "exec", "netns", "default"), syscall.MNT_DETACH)
		if errors.Is(unmounted, syscall.EINVAL) || errors.Is(unmounted, syscall.ENOENT) {
			unmounted = nil
		}
		return errors.Join(err, unmounted)
	}, nil
}
