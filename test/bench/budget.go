package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/githubtest"
)

// forkPullRequest is a pull_request event of a fork's head.
func (s *site) forkPullRequest(number int) []byte {
	id, installation := s.github.IDs(repo)
	payload, err := json.Marshal(map[string]any{
		"action": "opened", "number": number,
		"pull_request": map[string]any{
			"number": number, "title": "bench", "state": "open",
			"head": map[string]any{"sha": s.sha, "ref": "topic", "repo": map[string]any{"id": id + 1_000_000}},
			"base": map[string]any{"sha": s.sha, "ref": "main", "repo": map[string]any{"id": id}},
		},
		"repository": s.repository(id), "installation": map[string]any{"id": installation},
		"sender": map[string]any{"login": "alice"},
	})
	if err != nil {
		panic(err) // constants above
	}
	return payload
}

// budget runs 60 pushes at once under GitHub's 900 points a minute: everything concludes, and this is how late.
func budget(ctx context.Context, binary string) (figures []figure, err error) {
	const n = 60
	file := "name: bench\non: {push: {}}\nstages:\n  a:\n    run: ['true']\n  b:\n    needs: [a]\n    run: ['true']\n  c:\n    needs: [b]\n    run: ['true']\n"
	s, err := newSite(ctx, binary, githubtest.Files{".github/slipway.yml": file})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.github.SetLimits(githubtest.GitHubLimits())
	s.env = []string{"SLIPWAY_GITHUB_POINTS_PER_MINUTE=900"}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	begun := time.Now()
	err = parallel(n, 16, func(i int) error {
		_, err := s.deliver(ctx, fmt.Sprint("budget-", i), "push", s.push(fmt.Sprint("b", i)))
		return err
	})
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	done := func() []githubtest.CheckRun {
		return slices.DeleteFunc(s.github.CheckRuns(repo, s.sha), func(c githubtest.CheckRun) bool { return c.Status != "completed" })
	}
	if err := s.github.Wait(limited, func() bool { return len(done()) >= 3*n }); err != nil {
		return nil, fmt.Errorf("%d of %d concluded: %w", len(done()), 3*n, err)
	}
	all := time.Since(begun)
	writes, refused := 0, 0
	for _, r := range s.github.Requests() {
		if strings.Contains(r.Path, "/check-runs") && r.Method != http.MethodGet {
			writes++
		}
		if r.Status == 403 || r.Status == 429 {
			refused++
		}
	}
	return []figure{
		{"60 runs (180 stages) at once with 900 points a minute", fmt.Sprintf("all concluded in %.0f s", all.Seconds()), "all conclude"},
		{"  writes; refused by GitHub's limits", fmt.Sprintf("%d; %d", writes, refused), "≤ 360; 0"},
	}, nil
}
