package githubclient

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

type settings struct {
	mu     sync.Mutex
	values map[string]string
}

func (s *settings) Setting(_ context.Context, key string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, ok := s.values[key]; ok {
		return v, nil
	}
	return "", pipeline.ErrNotFound
}

func (s *settings) SetSetting(_ context.Context, key, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value
	return nil
}

// deliveryLog is GitHub's log of deliveries, newest last; redelivered says how a repetition ends.
type deliveryLog struct {
	mu          sync.Mutex
	entries     []map[string]any
	redelivered []string
	repetition  func(guid string) string
	pages       int
}

func (l *deliveryLog) add(guid, status string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, map[string]any{
		"id": len(l.entries) + 1, "guid": guid, "status": status, "event": "push",
		"delivered_at": time.Now().UTC().Format(time.RFC3339Nano),
	})
}

func (l *deliveryLog) serve(w *wire) {
	w.handle("GET /app/hook/deliveries", func(rw http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.pages++
		newest := slices.Clone(l.entries)
		slices.Reverse(newest)
		from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
		to := min(from+2, len(newest)) // small pages
		if to < len(newest) {
			rw.Header().Set("Link", fmt.Sprintf(`<http://github.test/app/hook/deliveries?cursor=%d>; rel="next"`, to))
		}
		reply(rw, newest[from:to])
	})
	w.handle("POST /app/hook/deliveries/{id}/attempts", func(rw http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		l.mu.Lock()
		guid, _ := l.entries[id-1]["guid"].(string)
		l.redelivered = append(l.redelivered, guid)
		status := l.repetition(guid)
		l.mu.Unlock()
		l.add(guid, status)
		rw.WriteHeader(http.StatusAccepted)
		reply(rw, map[string]any{})
	})
}

// asked are the deliveries that were asked for again.
func (l *deliveryLog) asked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.redelivered)
}

func TestRecoveryRedeliversWhatNobodyAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &deliveryLog{repetition: func(guid string) string {
			if guid == "stubborn" {
				return "Invalid HTTP Response: 500"
			}
			return statusOK
		}}
		log.add("too-old", "timed out")
		time.Sleep(deliveriesKept + time.Hour)
		log.add("late", "failed to connect to host")
		time.Sleep(time.Minute)
		log.add("fine", statusOK)
		log.add("retried", "timed out")
		log.add("stubborn", "Invalid HTTP Response: 500")
		log.add("retried", statusOK)
		time.Sleep(time.Minute)

		w := newWire()
		log.serve(w)
		kept := &settings{values: map[string]string{}}
		r := newPool(t, w, 900).NewRecovery(kept)
		r.Start()
		synctest.Wait()
		if want := []string{"late", "stubborn"}; !slices.Equal(log.asked(), want) {
			t.Fatalf("redelivered %v, want %v", log.asked(), want)
		}

		log.add("while-running", "timed out")
		time.Sleep(recoveryInterval + time.Second)
		synctest.Wait()
		if !slices.Contains(log.asked(), "while-running") {
			t.Error("a delivery that failed while running was not found within five minutes")
		}

		time.Sleep(24 * time.Hour)
		synctest.Wait()
		stubborn := 0
		for _, guid := range log.asked() {
			if guid == "stubborn" {
				stubborn++
			}
		}
		if stubborn != maxRedeliveries {
			t.Errorf("a delivery that always fails was repeated %d times", stubborn)
		}
		r.Stop()
		if len(log.asked()) != stubborn+2 {
			t.Errorf("redelivered %v", log.asked())
		}

		// A new process begins where the old one ended.
		log.pages = 0
		log.add("during-restart", "failed to connect to host")
		r = newPool(t, w, 900).NewRecovery(kept)
		r.Start()
		synctest.Wait()
		r.Stop()
		if got := last(log.asked()); got != "during-restart" || log.pages != 1 {
			t.Errorf("last %s after %d pages", got, log.pages)
		}
	})
}

func TestRecoveryKeepsTheCheckpointBeforeWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &deliveryLog{repetition: func(string) string { return "timed out" }}
		time.Sleep(time.Hour)
		log.add("x", "timed out")
		failed := time.Now()
		w := newWire()
		log.serve(w)
		kept := &settings{values: map[string]string{}}
		time.Sleep(time.Hour)
		r := newPool(t, w, 900).NewRecovery(kept)
		r.Start()
		synctest.Wait()
		r.Stop()
		if got := kept.values[checkpointSetting]; got != failed.UTC().Format(time.RFC3339Nano) {
			t.Errorf("checkpoint %s, the missing delivery is of %s", got, failed.UTC())
		}
	})
}

func last(all []string) string { return all[len(all)-1] }
