package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/slipwayhq/slipway/internal/queue"
	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// crashVariable makes the test program a process that takes jobs, never ends them, and waits to be killed.
const crashVariable = "SLIPWAY_TEST_WORK_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashVariable); path != "" {
		fmt.Fprintln(os.Stderr, workForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func workForever(path string) error {
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	hang := func(what string) error {
		_, err := os.Stdout.WriteString(what + "\n")
		if err != nil {
			return err
		}
		select {}
	}
	q, err := queue.New(db, queue.Options{Handlers: queue.Handlers{
		Delivery:  func(_ context.Context, guid string) error { return hang(guid) },
		Stage:     func(_ context.Context, id int64) error { return hang(fmt.Sprint("stage ", id)) },
		Gate:      func(context.Context, int64, string) error { return nil },
		Announce:  func(context.Context, int64, string) error { return nil },
		Drift:     func(context.Context, store.DriftJob) error { return nil },
		Interrupt: func(context.Context, int64) error { return nil },
		Discarded: func(_ context.Context, d queue.Discarded) { _, _ = os.Stdout.WriteString("discarded " + d.GUID + "\n") },
	}})
	if err != nil {
		return err
	}
	if err := q.Start(context.Background()); err != nil {
		return err
	}
	if _, err := db.Accept(context.Background(), store.Delivery{GUID: "g1", Event: "push"}); err != nil {
		return err
	}
	select {}
}

// killed starts a process on the database, waits for a line of it and kills it.
func killed(t *testing.T, path, line string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), crashVariable+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != line {
		t.Errorf("the process said %q, want %q", lines.Text(), line)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
}

// TestKilledAtWork: a job whose process was killed is worked at once by the next one.
func TestKilledAtWork(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	killed(t, path, "g1")
	db, o, worked := open(t, path), options(t), make(chan string, 1)
	o.Handlers.Delivery = func(_ context.Context, guid string) error { worked <- guid; return nil }
	begin(t, db, o)
	if got := soon(t, "delivery after the restart", worked); got != "g1" {
		t.Error(got)
	}
}

// TestKillerIsGivenUp: a delivery that takes the process with it at every attempt is given up in the end.
func TestKillerIsGivenUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	for range store.DeliveryAttempts {
		killed(t, path, "g1")
	}
	db, o, given := open(t, path), options(t), make(chan queue.Discarded, 1)
	o.Handlers.Discarded = func(_ context.Context, d queue.Discarded) { given <- d }
	begin(t, db, o)
	if d := soon(t, "end of the attempts", given); d.GUID != "g1" {
		t.Errorf("discarded %+v", d)
	}
}
