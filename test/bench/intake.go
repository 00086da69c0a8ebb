package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// percentile of sorted durations.
func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p))]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// latency measures one delivery at a time: from the request to the first check run.
func latency(ctx context.Context, binary string) (figures []figure, err error) {
	const warm, n = 20, 200
	s, err := newSite(ctx, binary, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	idle, err := s.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range warm + n {
		before, begun := s.creates(), time.Now()
		if _, err := s.deliver(ctx, fmt.Sprint("one-", i), "push", s.push(fmt.Sprint("b", i))); err != nil {
			return nil, err
		}
		if err := s.waitCreates(ctx, before+1, 10*time.Second); err != nil {
			return nil, err
		}
		if i >= warm {
			took = append(took, s.lastCreate().Sub(begun))
		}
		if err := s.quiet(ctx, i+1); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return []figure{
		{"delivery to first check-run write, p50", ms(percentile(took, 0.50)), "10 ms"},
		{"delivery to first check-run write, p99", ms(percentile(took, 0.99)), "40 ms"},
		{"memory idle", fmt.Sprintf("%.0f MB", idle), "60 MB"},
	}, nil
}

// quiet waits until the last check has concluded, so that deliveries come one at a time.
func (s *site) quiet(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return s.github.Wait(ctx, func() bool {
		runs := s.github.CheckRuns(repo, s.sha)
		return len(runs) >= n && runs[len(runs)-1].Status == "completed"
	})
}

// burst measures 2,000 deliveries over 64 connections.
func burst(ctx context.Context, binary string) (figures []figure, err error) {
	const n, connections = 2000, 64
	s, err := newSite(ctx, binary, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := errors.Join(s.more(ctx, 19), s.start(ctx)); err != nil {
		return nil, err
	}
	payloads := make([][]byte, n)
	for i := range payloads {
		payloads[i] = s.pushOf(fmt.Sprint("b", i), s.commits[i%len(s.commits)])
	}
	took, accepted := make([]time.Duration, n), make([]bool, n)
	begun := time.Now()
	err = parallel(n, connections, func(i int) error {
		sent := time.Now()
		status, err := s.deliver(ctx, fmt.Sprint("burst-", i), "push", payloads[i])
		took[i], accepted[i] = time.Since(sent), status == http.StatusAccepted
		return err
	})
	all := time.Since(begun)
	if err != nil {
		return nil, err
	}
	if err := s.waitCreates(ctx, n, time.Minute); err != nil {
		return nil, err
	}
	last := s.lastCreate().Sub(begun)
	peak, err := s.memory("VmHWM")
	if err != nil {
		return nil, err
	}
	yes := 0
	for _, a := range accepted {
		if a {
			yes++
		}
	}
	slices.Sort(took)
	return []figure{
		{"burst of 2,000 over 64 connections: accepted", fmt.Sprint(yes), "all"},
		{"  rate", fmt.Sprintf("%.0f /s", n/all.Seconds()), "2,500 /s"},
		{"  answer p99", ms(percentile(took, 0.99)), "100 ms"},
		{"  last first check-run write", fmt.Sprintf("%.2f s", last.Seconds()), "2 s"},
		{"  peak memory", fmt.Sprintf("%.0f MB", peak), "150 MB"},
	}, nil
}

// crash kills the bot right after 500 answers and counts what is missing after its restart.
func crash(ctx context.Context, binary string) (figures []figure, err error) {
	const n = 500
	s, err := newSite(ctx, binary, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	err = parallel(n, 64, func(i int) error {
		branch := fmt.Sprint("b", i)
		if i == 0 {
			branch = "main" // else its head would be found at the start, as one that was missed
		}
		status, err := s.deliver(ctx, fmt.Sprint("crash-", i), "push", s.push(branch))
		if err == nil && status != http.StatusAccepted {
			err = fmt.Errorf("answer %d", status)
		}
		return err
	})
	if err := errors.Join(err, s.kill()); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(2 * time.Minute)
	for s.shown() < n && time.Now().Before(deadline) && ctx.Err() == nil {
		time.Sleep(50 * time.Millisecond)
	}
	return []figure{
		{"SIGKILL right after 500 answers: lost", fmt.Sprint(n - s.shown()), "0"},
		{"  checks made twice", fmt.Sprint(s.twice()), "0"},
	}, nil
}

// shown counts the runs that have a check. An attempt that the kill cut off may have a second one.
func (s *site) shown() int {
	runs := map[string]bool{}
	for _, check := range s.github.CheckRuns(repo, s.sha) {
		runs[check.DetailsURL] = true
	}
	return len(runs)
}

// twice counts the checks that were made for an attempt that had one.
func (s *site) twice() int {
	checks := s.github.CheckRuns(repo, s.sha)
	attempts := map[string]bool{}
	for _, check := range checks {
		attempts[check.ExternalID] = true
	}
	return len(checks) - len(attempts)
}

// repeat sends one GUID three times.
func repeat(ctx context.Context, binary string) (figures []figure, err error) {
	s, err := newSite(ctx, binary, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	for range 3 {
		if _, err := s.deliver(ctx, "same", "push", s.push("main")); err != nil {
			return nil, err
		}
	}
	if err := s.quiet(ctx, 1); err != nil {
		return nil, err
	}
	// Another delivery after them: when its check has concluded, the repeats would have had theirs.
	if _, err := s.deliver(ctx, "next", "push", s.push("other")); err != nil {
		return nil, err
	}
	if err := s.quiet(ctx, 2); err != nil {
		return nil, err
	}
	return []figure{{"three deliveries of one GUID: runs", fmt.Sprint(s.creates() - 1), "1"}}, nil
}

// waiting measures the memory with 1,000 runs that wait for a person (pull requests of forks).
func waiting(ctx context.Context, binary string) (figures []figure, err error) {
	const n = 1000
	s, err := newSite(ctx, binary, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	err = parallel(n, 16, func(i int) error {
		_, err := s.deliver(ctx, fmt.Sprint("wait-", i), "pull_request", s.forkPullRequest(i+1))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.waitCreates(ctx, n, time.Minute); err != nil {
		return nil, err
	}
	now, err := s.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	return []figure{{"memory with 1,000 runs waiting", fmt.Sprintf("%.0f MB", now), "150 MB"}}, nil
}
