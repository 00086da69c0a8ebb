package githubclient

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-github/v60/github"
)

func createCheck(t *testing.T, client *github.Client) error {
	t.Helper()
	_, _, err := client.Checks.CreateCheckRun(t.Context(), "acme", "shop", github.CreateCheckRunOptions{Name: "a", HeadSHA: "b"})
	return err
}

func TestARefusalForRateDelaysAndNeverFails(t *testing.T) {
	tests := map[string]struct {
		refuse func(http.ResponseWriter)
		wait   []time.Duration // distances between tries
	}{
		"Retry-After on 403": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(http.StatusForbidden)
		}, []time.Duration{17 * time.Second, 17 * time.Second}},
		"429 without a word": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusTooManyRequests)
		}, []time.Duration{time.Minute, 2 * time.Minute}},
		"secondary limit told in the body": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusForbidden)
			reply(w, map[string]string{"message": "You have exceeded a secondary rate limit. Please wait"})
		}, []time.Duration{time.Minute, 2 * time.Minute}},
		"primary limit by GitHub's clock": {func(w http.ResponseWriter) {
			theirs := time.Now().Add(-3 * time.Hour)
			w.Header().Set("Date", theirs.UTC().Format(http.TimeFormat))
			w.Header().Set("X-RateLimit-Remaining", "0")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(theirs.Add(10*time.Minute).Unix(), 10))
			w.WriteHeader(http.StatusForbidden)
		}, []time.Duration{10*time.Minute + time.Second, 10*time.Minute + time.Second}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				left := len(test.wait)
				w.handle("POST /repos/acme/shop/check-runs", func(rw http.ResponseWriter, _ *http.Request) {
					if left > 0 {
						left--
						test.refuse(rw)
						return
					}
					rw.WriteHeader(http.StatusCreated)
					reply(rw, map[string]int{"id": 1})
				})
				if err := createCheck(t, testClient(t, newPool(t, w, 900))); err != nil {
					t.Fatal(err)
				}
				sent := w.sent("POST", "check-runs")
				if len(sent) != len(test.wait)+1 {
					t.Fatalf("%d tries", len(sent))
				}
				for i, want := range test.wait {
					if got := sent[i+1].at.Sub(sent[i].at); got != want {
						t.Errorf("try %d after %s, want %s", i+2, got, want)
					}
					if sent[i].body != sent[i+1].body {
						t.Errorf("the repetition has another body: %q", sent[i+1].body)
					}
				}
			})
		})
	}
}

func TestAReservedRequestIsToldOfTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.handle("POST /repos/acme/shop/check-runs", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "30")
			rw.WriteHeader(http.StatusTooManyRequests)
		})
		p := newPool(t, w, 900)
		ctx, done, err := p.Acquire(t.Context(), testInstallation, ClassWrite, PriorityConclusion)
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		_, _, err = testClient(t, p).Checks.CreateCheckRun(ctx, "acme", "shop", github.CreateCheckRunOptions{})
		var limited *LimitedError
		if !errors.As(err, &limited) || time.Until(limited.Until) != 30*time.Second {
			t.Fatalf("got %v", err)
		}
		if got := p.Available(testInstallation); got != 0 {
			t.Errorf("%d points available during the pause", got)
		}
		begun := time.Now()
		_, done, err = p.Acquire(t.Context(), testInstallation, ClassWrite, PriorityConclusion)
		if err != nil || time.Since(begun) != 30*time.Second {
			t.Errorf("the next write waited %s: %v", time.Since(begun), err)
		}
		done()
	})
}

func TestServerErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		failing := 2
		fail := func(rw http.ResponseWriter, _ *http.Request) {
			if failing > 0 {
				failing--
				rw.WriteHeader(http.StatusBadGateway)
				return
			}
			reply(rw, map[string]int{"id": 1})
		}
		w.handle("GET /repos/acme/shop", fail)
		w.handle("POST /repos/acme/shop/check-runs", fail)
		p := newPool(t, w, 900)
		client := testClient(t, p)
		if _, _, err := client.Repositories.Get(t.Context(), "acme", "shop"); err != nil {
			t.Fatalf("a read is repeated: %v", err)
		}
		failing = 1
		time.Sleep(time.Minute)
		if err := createCheck(t, client); status(err) != http.StatusBadGateway {
			t.Fatalf("a create that may have happened is not repeated here: %v", err)
		}
		if p.Available(testInstallation) != 0 {
			t.Error("writes go on at once after a server error")
		}
		begun := time.Now()
		if err := createCheck(t, client); err != nil || time.Since(begun) != time.Second {
			t.Errorf("next write after %s: %v", time.Since(begun), err)
		}
	})
}

func TestTheLastRequestOfTheHourHoldsTheNextOneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.handle("GET /repos/acme/shop", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X-RateLimit-Remaining", "0")
			rw.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(5*time.Minute).Unix(), 10))
			reply(rw, map[string]int{"id": 1})
		})
		client := testClient(t, newPool(t, w, 0))
		begun := time.Now()
		for range 2 {
			if _, _, err := client.Repositories.Get(t.Context(), "acme", "shop"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took != 5*time.Minute+time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestAPlainRefusalPasses(t *testing.T) {
	w := newWire()
	w.handle("POST /repos/acme/shop/check-runs", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("X-Accepted-GitHub-Permissions", "checks=write")
		rw.WriteHeader(http.StatusForbidden)
		reply(rw, map[string]string{"message": "Resource not accessible by integration"})
	})
	err := createCheck(t, testClient(t, newPool(t, w, 900)))
	reason, permanent := Permanent(err)
	if !permanent || !strings.Contains(reason, "checks=write") {
		t.Errorf("%v: %q, %v", err, reason, permanent)
	}
}

func TestATokenRefusedBeforeItsTimeIsReplacedOnce(t *testing.T) {
	w := newWire()
	w.revoked["t1"] = true
	w.handle("POST /repos/acme/shop/check-runs", func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(http.StatusCreated)
		reply(rw, map[string]int{"id": 1})
	})
	client := testClient(t, newPool(t, w, 900))
	if err := createCheck(t, client); err != nil {
		t.Fatal(err)
	}
	w.revoked["t2"], w.revoked["t3"] = true, true
	if err := createCheck(t, client); status(err) != http.StatusUnauthorized {
		t.Errorf("a token that is refused twice: %v", err)
	}
	if got := len(w.sent("POST", "check-runs")); got != 4 || w.tokens != 3 {
		t.Errorf("%d requests, %d tokens", got, w.tokens)
	}
	w.revoked["t4"] = false
	if err := createCheck(t, client); err != nil {
		t.Errorf("the next request begins with a new token: %v", err)
	}
}

func TestAnInstallationThatIsGoneIsPermanent(t *testing.T) {
	w := newWire()
	w.mux = http.NewServeMux() // no tokens
	err := createCheck(t, testClient(t, newPool(t, w, 0)))
	if reason, ok := Permanent(err); !ok || !strings.Contains(reason, "no longer installed") {
		t.Errorf("%v: %q", err, reason)
	}
}

func TestCredentialsAreNotSentToAnotherHost(t *testing.T) {
	w := newWire()
	w.handle("GET /repos/acme/shop", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://evil.test/x", http.StatusFound)
	})
	_, _, err := testClient(t, newPool(t, w, 0)).Repositories.Get(t.Context(), "acme", "shop")
	if err == nil || !strings.Contains(err.Error(), "evil.test") {
		t.Errorf("got %v", err)
	}
	for _, s := range w.sent("GET", "/x") {
		t.Errorf("sent %s", s.path)
	}
}

func TestReadsAreConditional(t *testing.T) {
	w := newWire()
	w.handle("GET /repos/acme/shop/pulls/1", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("ETag", `"one"`)
		if r.Header.Get("If-None-Match") == `"one"` {
			rw.WriteHeader(http.StatusNotModified)
			return
		}
		reply(rw, map[string]any{"number": 1, "title": "first"})
	})
	p := newPool(t, w, 0)
	for range 3 {
		pr, err := p.PullRequest(t.Context(), testRepository, 1)
		if err != nil || pr.Title != "first" {
			t.Fatalf("%+v, %v", pr, err)
		}
	}
	if sent := w.sent("GET", "pulls"); len(sent) != 3 || sent[2].header.Get("If-None-Match") != `"one"` {
		t.Errorf("%d requests", len(sent))
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newAnswers()
	for i := range 100 {
		c.put(&answer{key: fmt.Sprint(i), body: make([]byte, 512<<10)})
	}
	if c.size > cacheBytes || len(c.byKey) != c.order.Len() || len(c.byKey) == 0 {
		t.Errorf("%d bytes in %d entries", c.size, len(c.byKey))
	}
	if _, ok := c.get("0"); ok {
		t.Error("the oldest is still there")
	}
	if _, ok := c.get("99"); !ok {
		t.Error("the newest is gone")
	}
}
