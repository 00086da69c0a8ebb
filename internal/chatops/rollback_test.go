package chatops

import (
	"slices"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// history makes releases, oldest first, of what each brought back; 0: a deploy.
func history(of ...int64) []pipeline.Release {
	releases := make([]pipeline.Release, len(of))
	for i, number := range of {
		releases[i] = pipeline.Release{Number: int64(i) + 1, Of: number}
	}
	slices.Reverse(releases)
	return releases
}

func TestBefore(t *testing.T) {
	for _, tc := range []struct {
		name    string
		of      []int64
		current int64
		want    int64 // 0: there is none
	}{
		{"the only one", []int64{0}, 1, 0},
		{"two", []int64{0, 0}, 2, 1},
		{"nothing runs", []int64{0, 0}, 0, 2},
		{"rolled back to the first", []int64{0, 0, 1}, 3, 0},
		{"rolled back once, not to what was left", []int64{0, 0, 0, 2}, 4, 1},
		{"a deploy after a rollback: what it brought back", []int64{0, 0, 1, 0}, 4, 1},
		{"a rollback of a rollback", []int64{0, 0, 1, 0, 3, 0}, 6, 1},
		{"rolled forward again", []int64{0, 0, 1, 2}, 4, 1},
	} {
		got, found := before(history(tc.of...), tc.current)
		if got.Number != tc.want || found != (tc.want != 0) {
			t.Errorf("%s: %d %v, want %d", tc.name, got.Number, found, tc.want)
		}
	}
}
