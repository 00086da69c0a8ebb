package githubtest_test

import (
	"fmt"
	"testing"

	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// BenchmarkCheckRun is what the stand-in itself costs a client that writes a check.
func BenchmarkCheckRun(b *testing.B) {
	w := newWorld(b, quiet, func(o *githubtest.Options) { o.App.WebhookURL = "" })
	head := w.gh.Head(shop, "main")
	b.ResetTimer()
	for n := range b.N {
		_, _, err := w.bot.Checks.CreateCheckRun(w.ctx(), "acme", "shop", github.CreateCheckRunOptions{Name: fmt.Sprint("x", n), HeadSHA: head})
		w.must(err)
	}
}

// BenchmarkPush is what one commit pushed by a person costs, payload included.
func BenchmarkPush(b *testing.B) {
	w := newWorld(b, quiet)
	b.ResetTimer()
	for n := range b.N {
		w.push("main", githubtest.Files{"a": fmt.Sprint(n)})
	}
}
