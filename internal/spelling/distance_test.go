package spelling_test

import (
	"testing"

	"github.com/slipwayhq/slipway/internal/spelling"
)

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"deploy", "deploy", 0}, {"", "why", 3}, {"deply", "deploy", 1}, {"depoly", "deploy", 1},
		{"deploys", "deploy", 1}, {"retry", "ready", 2}, {"ca", "abc", 3}, {"plan", "lock", 4},
	} {
		if got := spelling.Distance(tc.a, tc.b); got != tc.want {
			t.Errorf("%q to %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if back := spelling.Distance(tc.b, tc.a); back != tc.want {
			t.Errorf("%q to %q: %d, want %d", tc.b, tc.a, back, tc.want)
		}
	}
}
