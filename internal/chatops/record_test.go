package chatops

import (
	"testing"
	"time"
)

func TestOldRecords(t *testing.T) {
	from, to := OldRecords(noon)
	for days, old := range map[int]bool{-4000: true, -1: true, 0: false, 1: false, 400: false} {
		c := comment("")
		c.CreatedAt = noon.Add(time.Duration(days) * 24 * time.Hour)
		if key := c.key(); (key >= from && key < to) != old {
			t.Errorf("%s is old: %v", key, !old)
		}
	}
	for _, other := range []string{"hook-checkpoint", "comments", "commen", "commenu"} {
		if other >= from && other < to {
			t.Errorf("%s is no record", other)
		}
	}
}
