package handlers_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/slipwayhq/slipway/internal/handlers"
)

func TestAuthorizationTakenBack(t *testing.T) {
	broken := errors.New("disk full")
	for name, tc := range map[string]struct {
		payload string
		fails   error
		want    []int64
		err     bool
	}{
		"revoked":               {`{"action":"revoked","sender":{"id":7,"login":"alice"}}`, nil, []int64{7}, false},
		"revoked, disk full":    {`{"action":"revoked","sender":{"id":7,"login":"alice"}}`, broken, []int64{7}, true},
		"something else":        {`{"action":"granted","sender":{"id":7,"login":"alice"}}`, nil, nil, false},
		"nobody":                {`{"action":"revoked"}`, nil, nil, false},
		"what is no such event": {`{"action":7}`, nil, nil, true},
	} {
		var ended []int64
		h := &handlers.Authorization{EndSessions: func(_ context.Context, id int64) error {
			ended = append(ended, id)
			return tc.fails
		}}
		err := h.Handle(t.Context(), "github_app_authorization", "d1", []byte(tc.payload))
		if (err != nil) != tc.err || !slices.Equal(ended, tc.want) {
			t.Errorf("%s: ended %v, %v", name, ended, err)
		}
	}
}
