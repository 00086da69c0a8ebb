package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/store"
)

// TestFullDisk: when there is no room the callers are told, nothing of their changes stays, and with room again all
// goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "slipway.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	maxPages := func(n int) {
		t.Helper()
		err := db.writer.apply(t.Context(), lazy, func(b *batch) error {
			var got int
			return b.tx.QueryRowContext(b.ctx, fmt.Sprintf("PRAGMA max_page_count = %d", n)).Scan(&got)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	maxPages(1) // SQLite makes it as many as there are
	big := strings.Repeat("x", 1000)
	errs := make(chan error)
	const callers = 20
	for i := range callers {
		go func() {
			_, err := db.Accept(t.Context(), store.Delivery{GUID: fmt.Sprintf("%d-%s", i, big), Event: big})
			errs <- err
		}()
	}
	refused := 0
	for range callers {
		if err := <-errs; err != nil {
			refused++
			if !strings.Contains(err.Error(), "full") {
				t.Errorf("refused with %v", err)
			}
		}
	}
	if refused == 0 {
		t.Fatal("the disk was not full")
	}
	kept, err := db.Deliveries(t.Context(), store.DeliveryFilter{})
	if err != nil || len(kept) != callers-refused {
		t.Errorf("%d deliveries, error %v, want the %d accepted", len(kept), err, callers-refused)
	}
	jobs, err := db.AliveJobs(t.Context())
	if err != nil || len(jobs) != callers-refused {
		t.Errorf("%d jobs, error %v, want %d", len(jobs), err, callers-refused)
	}
	maxPages(1 << 30)
	if _, err := db.Accept(t.Context(), store.Delivery{GUID: "again", Event: big}); err != nil {
		t.Errorf("with room again: %v", err)
	}
}
