package imagetest

import "syscall"

// endWithParent has a process told to end when the thread that starts it is gone, however that came.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
