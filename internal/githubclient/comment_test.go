package githubclient_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestAnswersToAComment(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ann := w.github.As("ann")
	_, err := ann.Push(ctx, shop, "topic", githubtest.Files{"a": "b\n"}, "a change")
	must(t, err)
	pull, err := ann.OpenPullRequest(ctx, shop, githubtest.NewPullRequest{Title: "Topic", Head: "topic", Base: "main"})
	must(t, err)
	id, err := ann.Comment(shop, pull.Number, "/help")
	must(t, err)
	before := time.Now().Add(-time.Minute)
	for range 2 {
		must(t, w.pool.React(ctx, w.repository, id, "eyes"))
	}
	if got := w.github.Reactions(shop, id); len(got) != 1 || got[0].Content != "eyes" {
		t.Errorf("reactions %+v", got)
	}
	const mark = "<!-- mark -->"
	_, err = ann.Comment(shop, pull.Number, "not the App: "+mark)
	must(t, err)
	for range 120 { // beyond a page
		_, err := ann.Comment(shop, pull.Number, "chatter")
		must(t, err)
	}
	replied := func() bool {
		t.Helper()
		found, err := w.pool.Replied(ctx, w.repository, pull.Number, before, mark)
		must(t, err)
		return found
	}
	if replied() {
		t.Error("somebody else's comment is taken for the App's")
	}
	must(t, w.pool.Reply(ctx, w.repository, pull.Number, mark+"\nhello"))
	if !replied() {
		t.Error("the App's own reply is not found")
	}
	comments := w.github.Comments(shop, pull.Number)
	if last := comments[len(comments)-1]; !strings.HasSuffix(last.Author, "[bot]") || !strings.Contains(last.Body, "hello") {
		t.Errorf("%+v", last)
	}
	must(t, ann.DeleteComment(shop, id))
	if err := w.pool.React(ctx, w.repository, id, "rocket"); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("a comment that was deleted: %v", err)
	}
}
