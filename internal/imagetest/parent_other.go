//go:build !linux

package imagetest

import "syscall"

// endWithParent needs Linux: elsewhere what is killed leaves its components running.
func endWithParent(*syscall.SysProcAttr) {}
