package main

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestProcess(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	p, err := identify(cmd.Process.Pid)
	if err != nil || !p.alive() {
		t.Fatalf("%+v, alive %v: %v", p, p.alive(), err)
	}

	// Somebody else got the number of a process that is gone: it is left alone.
	former := process{PID: p.PID, Born: p.Born - 1}
	if former.alive() {
		t.Error("another process was taken for this one")
	}
	if err := former.end(t.Context(), syscall.SIGKILL); err != nil || !p.alive() {
		t.Errorf("another process: %v, alive %v", err, p.alive())
	}

	if err := p.end(t.Context(), syscall.SIGTERM); err != nil || p.alive() {
		t.Errorf("end: %v, alive %v", err, p.alive())
	}
	if err := p.end(t.Context(), syscall.SIGTERM); err != nil {
		t.Errorf("end what has ended: %v", err)
	}
}

func TestRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cluster.json")
	if _, found, err := recorded[cluster](file); found || err != nil {
		t.Errorf("nothing was recorded: %v, %v", found, err)
	}
	want := cluster{Network: network{203}, Registry: "127.0.0.1:5000", Process: process{12, 34}}
	if err := record(file, want); err != nil {
		t.Fatal(err)
	}
	got, found, err := recorded[cluster](file)
	if !found || err != nil || got.Network != want.Network || got.Registry != want.Registry || got.Process != want.Process {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
	if err := write(file, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := recorded[cluster](file); err == nil {
		t.Error("half a record was read")
	}
}
