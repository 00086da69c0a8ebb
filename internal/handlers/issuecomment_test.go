package handlers

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/chatops"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

type desk struct {
	taken []chatops.Comment
	err   error
}

func (d *desk) Take(_ context.Context, c chatops.Comment) error {
	d.taken = append(d.taken, c)
	return d.err
}

// commentDoc is an event with its parts filled in: the action, the issue's pull request, the comment's author, who sent it
// and the App it came through.
func commentDoc(action, pull, author, sender, via string) string {
	return fmt.Sprintf(`{"action":%q,"issue":{"number":7%s},"comment":{"id":11,"body":"/help","created_at":"2026-03-04T12:00:00Z",
		"user":%s,"performed_via_github_app":%s},"sender":%s,
		"repository":{"id":5,"name":"shop","owner":{"login":"acme"},"default_branch":"main"},"installation":{"id":9}}`,
		action, pull, author, via, sender)
}

func TestIssueComment(t *testing.T) {
	const (
		pull  = `,"pull_request":{"url":"x"}`
		alice = `{"id":1,"login":"alice","type":"User"}`
		bob   = `{"id":2,"login":"bob","type":"User"}`
		bot   = `{"id":3,"login":"slipway[bot]","type":"Bot"}`
	)
	cases := []struct {
		name, payload string
		taken         bool
	}{
		{"a person's comment", commentDoc("created", pull, alice, alice, "null"), true},
		{"edited", commentDoc("edited", pull, alice, alice, "null"), false},
		{"deleted", commentDoc("deleted", pull, alice, alice, "null"), false},
		{"an issue, not a pull request", commentDoc("created", "", alice, alice, "null"), false},
		{"sent by another", commentDoc("created", pull, alice, bob, "null"), false},
		{"our own", commentDoc("created", pull, bot, bot, `{"id":3}`), false},
		{"a bot", commentDoc("created", pull, bot, bot, "null"), false},
		{"an App in a person's name", commentDoc("created", pull, alice, alice, `{"id":3}`), false},
		{"a deleted user", commentDoc("created", pull, "null", "null", "null"), false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			d := &desk{}
			if err := (&IssueComment{Desk: d, Now: func() time.Time { return time.Time{} }}).Handle(t.Context(), "issue_comment", "guid", []byte(tc.payload)); err != nil {
				t.Fatal(err)
			}
			var want []chatops.Comment
			if tc.taken {
				want = []chatops.Comment{{
					Repository:  pipeline.Repository{ID: 5, Owner: "acme", Name: "shop", DefaultBranch: "main", InstallationID: 9},
					PullRequest: 7, ID: 11, Author: "alice", Body: "/help", CreatedAt: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC),
				}}
			}
			if diff := cmp.Diff(want, d.taken); diff != "" {
				t.Error(diff)
			}
		})
	}
	failing := &IssueComment{Now: time.Now, Desk: &desk{err: errors.New("GitHub does not answer")}}
	if err := failing.Handle(t.Context(), "issue_comment", "guid", []byte(commentDoc("created", pull, alice, alice, "null"))); err == nil {
		t.Error("a failure is not told, so that the delivery would not be tried again")
	}
	if err := failing.Handle(t.Context(), "issue_comment", "guid", []byte("[]")); err == nil {
		t.Error("what is no event is taken")
	}
}
