package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

// down ends the cluster. With its first process go all processes of the node, its mounts and its network; what is left
// are control groups, settings of the kernel and files.
func down(ctx context.Context, p place.Place) error {
	c, found, err := recorded[cluster](recordFile(p))
	if err != nil || !found {
		return err
	}
	if err := removeAll(p.Kubeconfig()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if c.Process.PID != 0 {
		if err := c.Process.end(ctx, syscall.SIGKILL); err != nil {
			return fmt.Errorf("end the node: %w", err)
		}
	}
	if err := removeGroup(ctx, c.group()); err != nil {
		return err
	}
	if err := restoreKernel(c.Kernel); err != nil {
		return err
	}
	// The place that the node mounted its own over; a kubelet of the machine itself would have things there.
	if err := os.Remove(kubeletRoot); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return err
	}
	if err := os.RemoveAll(c.file()); err != nil {
		return err
	}
	return removeAll(recordFile(p))
}
