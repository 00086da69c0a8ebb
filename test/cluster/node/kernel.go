package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// kernelSettings are those that a kubelet changes for the whole machine.
func kernelSettings() []string {
	return []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}
}

func readKernel() (map[string]string, error) {
	values := map[string]string{}
	for _, name := range kernelSettings() {
		text, err := os.ReadFile(filepath.Join("/proc/sys", name)) //nolint:gosec // a list of ours
		if err != nil {
			return nil, err
		}
		values[name] = strings.TrimSpace(string(text))
	}
	return values, nil
}

// restoreKernel sets back what has changed.
func restoreKernel(before map[string]string) error {
	now, err := readKernel()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now[name] == before[name] {
			continue
		}
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(before[name]), 0); err != nil {
			return fmt.Errorf("set %s back: %w", name, err)
		}
	}
	return nil
}

const groups = "/sys/fs/cgroup"

// makeGroup makes a control group for the pods: two kubelets that shared one would end each other's. The kubelet makes
// those below it.
func makeGroup(name string) error {
	if available, err := os.ReadFile(filepath.Join(groups, "cgroup.controllers")); err == nil {
		return makeUnifiedGroup(name, strings.Fields(string(available)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	hierarchies, err := filepath.Glob(filepath.Join(groups, "*", "cgroup.procs"))
	if err != nil {
		return err
	}
	for _, procs := range hierarchies {
		dir := filepath.Join(filepath.Dir(procs), name)
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as the kernel has them
			return err
		}
		if err := inheritCPUs(dir); err != nil {
			return err
		}
	}
	return nil
}

func makeUnifiedGroup(name string, controllers []string) error {
	if err := os.Mkdir(filepath.Join(groups, name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as the kernel has them
		return err
	}
	return os.WriteFile(filepath.Join(groups, "cgroup.subtree_control"), []byte("+"+strings.Join(controllers, " +")), 0) //nolint:gosec // a file of the kernel
}

// inheritCPUs fills a new group of the first version's cpuset, which begins without any and takes no process then.
func inheritCPUs(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		above, err := os.ReadFile(filepath.Join(dir, "..", file)) //nolint:gosec // a file of the kernel
		if errors.Is(err, fs.ErrNotExist) {
			continue // another controller's
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), above, 0); err != nil { //nolint:gosec // a file of the kernel
			return err
		}
	}
	return nil
}

// removeGroup removes the group everywhere, from its leaves up. No process is in it any more.
func removeGroup(ctx context.Context, name string) error {
	roots, err := filepath.Glob(filepath.Join(groups, "*", name))
	if err != nil {
		return err
	}
	for _, root := range append(roots, filepath.Join(groups, name)) {
		if err := await(ctx, "the end of the pods", func(context.Context) error { return removeTree(root) }); err != nil {
			return err
		}
	}
	return nil
}

// removeTree removes the folders alone: the files of a control group go with it.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}
