//nolint:thelper // these are tests that Run runs: a failure belongs to their own line
package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/store"
)

func delivery(guid string) store.Delivery {
	return store.Delivery{GUID: guid, Event: "push", Payload: []byte(`{"ref":"refs/heads/main"}`), ReceivedAt: start}
}

func accept(t *testing.T, s Store, d store.Delivery, want store.AcceptResult) {
	t.Helper()
	got, err := s.Accept(t.Context(), d)
	if err != nil || got != want {
		t.Errorf("accept %s: %q, %v, want %q", d.GUID, got, err, want)
	}
}

func testAccept(t *testing.T, s Store) {
	accept(t, s, delivery("g1"), store.Accepted)
	got, err := s.Delivery(t.Context(), "g1")
	no(t, err)
	want := delivery("g1")
	want.State, want.Size = store.DeliveryReceived, len(want.Payload)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("delivery:\n%s", diff)
	}
	found := jobs(t, s, "delivery")
	if len(found) != 1 || found[0].GUID != "g1" || found[0].Queue != store.QueueIntake || found[0].State != "available" {
		t.Errorf("jobs %+v", found)
	}
	_, err = s.Delivery(t.Context(), "g2")
	wantNotFound(t, "delivery", err)
	wantNotFound(t, "done", s.DeliveryDone(t.Context(), "g2"))
	wantNotFound(t, "failed", s.DeliveryFailed(t.Context(), "g2", "why"))
}

func testAcceptAgain(t *testing.T, s Store) {
	accept(t, s, delivery("g1"), store.Accepted)
	other := delivery("g1")
	other.Payload = []byte(`{"forged":true}`)
	accept(t, s, other, store.Resumed)
	if n := len(jobs(t, s, "delivery")); n != 1 {
		t.Errorf("%d jobs of one unfinished delivery, want 1", n)
	}
	if got, err := s.Delivery(t.Context(), "g1"); err != nil || bytes.Contains(got.Payload, []byte("forged")) {
		t.Errorf("a repeat replaced the payload: %s, %v", got.Payload, err)
	}
	no(t, s.DeliveryDone(t.Context(), "g1"))
	got, err := s.Delivery(t.Context(), "g1")
	if err != nil || got.State != store.DeliveryDone || got.FinishedAt.IsZero() || got.Size == 0 {
		t.Errorf("done: %+v, %v", got, err)
	}
	accept(t, s, delivery("g1"), store.Duplicate)
	if again, err := s.Delivery(t.Context(), "g1"); err != nil || cmp.Diff(got, again) != "" {
		t.Errorf("a duplicate stored something: %v\n%s", err, cmp.Diff(got, again))
	}
	if n := len(jobs(t, s, "delivery")); n != 1 {
		t.Errorf("%d jobs after a duplicate, want the 1 there was", n)
	}
}

func testAcceptFailedAgain(t *testing.T, s Store) {
	accept(t, s, delivery("g1"), store.Accepted)
	no(t, s.DeliveryFailed(t.Context(), "g1", "GitHub was down"))
	got, err := s.Delivery(t.Context(), "g1")
	if err != nil || got.State != store.DeliveryFailed || got.Reason != "GitHub was down" || len(got.Payload) == 0 {
		t.Errorf("failed: %+v, %v", got, err)
	}
	accept(t, s, delivery("g1"), store.Resumed)
	got, err = s.Delivery(t.Context(), "g1")
	if err != nil || got.State != store.DeliveryReceived || got.Reason != "" || !got.FinishedAt.IsZero() {
		t.Errorf("resumed: %+v, %v", got, err)
	}
}

func testPayloads(t *testing.T, s Store) {
	repeating := bytes.Repeat([]byte(`{"url":"https://api.github.com/repos/acme/shop"}`), 500)
	random := make([]byte, 100_000)
	state := uint32(1)
	for i := range random {
		state = state*1664525 + 1013904223
		random[i] = byte(state >> 24)
	}
	for i, payload := range [][]byte{[]byte("{}"), repeating, random, append(repeating, 0, 0xff)} {
		d := delivery(fmt.Sprintf("g%d", i))
		d.Payload = payload
		accept(t, s, d, store.Accepted)
		got, err := s.Delivery(t.Context(), d.GUID)
		if err != nil || !bytes.Equal(got.Payload, payload) || got.Size != len(payload) {
			t.Errorf("payload %d: %d bytes came back of %d, error %v", i, len(got.Payload), len(payload), err)
		}
	}
}

func testDeliveryList(t *testing.T, s Store) {
	for i := range 4 {
		d := delivery(fmt.Sprintf("g%d", i))
		d.ReceivedAt = start.Add(time.Duration(i) * time.Hour)
		accept(t, s, d, store.Accepted)
	}
	no(t, s.DeliveryDone(t.Context(), "g0"))
	no(t, s.DeliveryFailed(t.Context(), "g2", "why"))
	list := func(f store.DeliveryFilter, want ...string) {
		t.Helper()
		found, err := s.Deliveries(t.Context(), f)
		no(t, err)
		var got []string
		for _, d := range found {
			got = append(got, d.GUID)
			if d.Payload != nil || d.Size == 0 || d.Event != "push" || d.ReceivedAt.IsZero() {
				t.Errorf("in a list: %+v", d)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("list %+v:\n%s", f, diff)
		}
	}
	list(store.DeliveryFilter{}, "g3", "g2", "g1", "g0")
	list(store.DeliveryFilter{State: store.DeliveryFailed}, "g2")
	list(store.DeliveryFilter{State: store.DeliveryDone}, "g0")
	list(store.DeliveryFilter{State: store.DeliveryReceived}, "g3", "g1")
	list(store.DeliveryFilter{Since: start.Add(time.Hour)}, "g3", "g2", "g1")
	list(store.DeliveryFilter{Limit: 2}, "g3", "g2")

	n, err := s.SweepDeliveries(t.Context(), start.Add(24*time.Hour))
	if err != nil || n != 2 {
		t.Errorf("swept %d, %v, want the 2 that are finished", n, err)
	}
	list(store.DeliveryFilter{}, "g3", "g1")
}
