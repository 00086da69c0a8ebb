package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/slipwayhq/slipway/internal/store"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// crashVariable makes the test program a process that accepts deliveries until it is killed.
const crashVariable = "SLIPWAY_TEST_ACCEPT_UNTIL_KILLED"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashVariable); path != "" {
		fmt.Fprintln(os.Stderr, acceptForever(path))
		os.Exit(1)
	}
	if path := os.Getenv(releaseVariable); path != "" {
		fmt.Fprintln(os.Stderr, releaseForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// acceptForever writes the GUID of every delivery to standard output after it was accepted.
func acceptForever(path string) error {
	db, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	var n atomic.Int64
	failed := make(chan error)
	for range 16 {
		go func() {
			for {
				i := n.Add(1)
				guid := fmt.Sprintf("guid-%d", i)
				_, err := db.Accept(context.Background(), store.Delivery{GUID: guid, Event: "push", Payload: pushPayload(int(i))})
				if err == nil {
					_, err = os.Stdout.WriteString(guid + "\n")
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// TestNothingAcceptedIsLost kills a process with SIGKILL while it accepts, and looks for every delivery it answered.
func TestNothingAcceptedIsLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slipway.db")
	answered := untilKilled(t, crashVariable+"="+path, 500)

	db := open(t, path)
	jobs, err := db.AliveJobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alive := make(map[string]bool)
	for _, j := range jobs {
		alive[j.GUID] = true
	}
	for _, guid := range answered {
		d, err := db.Delivery(t.Context(), guid)
		if err != nil || len(d.Payload) == 0 || !alive[guid] {
			t.Errorf("%s was answered and is lost: job %t, error %v", guid, alive[guid], err)
		}
	}
}
