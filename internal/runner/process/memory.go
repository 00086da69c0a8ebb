package process

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// MemoryKills counts the processes the kernel has killed for memory, in this process's control group and in the whole
// machine. Taken before and after a command, two counts tell whether a SIGKILL was the kernel's.
type MemoryKills struct {
	// Group is the count of the control group (v2 memory.events, v1 memory.oom_control); 0 where it tells none.
	Group int64
	// Machine is the count of the machine since it started.
	Machine int64
}

// CountMemoryKills reads the counters. What cannot be read counts zero: then nothing is blamed on memory.
func CountMemoryKills() MemoryKills { return countMemoryKills("/proc", "/sys/fs/cgroup") }

// Since reports whether the kernel killed something of a command that ended with code, given the count before it.
// A kill within the group counts for every failure, since a tool may report the death of its child as its own exit code;
// one elsewhere on the machine only for a program that SIGKILL ended, itself or as its shell tells it.
func (after MemoryKills) Since(before MemoryKills, code int) bool {
	const killed = 128 + 9
	switch {
	case code == 0:
		return false
	case after.Group > before.Group:
		return true
	default:
		return code == killed && after.Machine > before.Machine
	}
}

func countMemoryKills(proc, cgroup string) MemoryKills {
	kills := MemoryKills{Machine: counter(filepath.Join(proc, "vmstat"), "oom_kill")}
	groups, err := os.ReadFile(filepath.Join(proc, "self", "cgroup")) //nolint:gosec // the kernel's own files; only tests say where they lie
	if err != nil {
		return kills
	}
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch controllers, path := fields[1], fields[2]; {
		case controllers == "":
			kills.Group += counter(filepath.Join(cgroup, path, "memory.events"), "oom_kill")
		case strings.Contains(","+controllers+",", ",memory,"):
			kills.Group += counter(filepath.Join(cgroup, "memory", path, "memory.oom_control"), "oom_kill")
		}
	}
	return kills
}

// counter finds "name value" in a file of such lines.
func counter(file, name string) int64 {
	text, err := os.ReadFile(file) //nolint:gosec // the kernel's own files; only tests say where they lie
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
