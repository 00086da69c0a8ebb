package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCountMemoryKillsOfBothControlGroupVersions(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  MemoryKills
	}{
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/slipway.service\n",
			"proc/vmstat":      "nr_free_pages 12\noom_kill 9\n",
			"cgroup/system.slice/slipway.service/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
		}, MemoryKills{Group: 2, Machine: 9}},
		"version 1": {map[string]string{
			"proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n",
			"proc/vmstat":      "oom_kill 1\n",
			"cgroup/memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
		}, MemoryKills{Group: 1, Machine: 1}},
		"nothing to read": {nil, MemoryKills{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range test.files {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := countMemoryKills(filepath.Join(dir, "proc"), filepath.Join(dir, "cgroup"))
			if got != test.want {
				t.Fatalf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestMemoryKillsSince(t *testing.T) {
	before := MemoryKills{Group: 1, Machine: 5}
	tests := map[string]struct {
		after MemoryKills
		code  int
		want  bool
	}{
		"success":                    {MemoryKills{2, 6}, 0, false},
		"a tool tells of its child":  {MemoryKills{2, 6}, 1, true},
		"killed, in the group":       {MemoryKills{2, 6}, 137, true},
		"killed, machine out of it":  {MemoryKills{1, 6}, 137, true},
		"killed by somebody else":    {MemoryKills{1, 5}, 137, false},
		"failure, machine out of it": {MemoryKills{1, 6}, 1, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := test.after.Since(before, test.code); got != test.want {
				t.Fatalf("got %v", got)
			}
		})
	}
}
