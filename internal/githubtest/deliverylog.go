package githubtest

import (
	"context"
	"time"
)

// Delivery is a delivery of the first App's webhook.
type Delivery struct {
	ID         int64
	GUID       string
	Event      string
	Action     string
	At         time.Time
	Redelivery bool
	// Done: it was attempted. Status is "OK" or why it failed.
	Done    bool
	Status  string
	Code    int
	Payload []byte
}

// Deliveries returns the log of the first App's webhook, oldest first.
func (g *GitHub) Deliveries() []Delivery {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]Delivery, 0, len(g.firstApp.deliveries))
	for _, d := range g.firstApp.deliveries {
		list = append(list, Delivery{
			ID: d.id, GUID: d.guid, Event: d.event, Action: d.action, At: d.at, Redelivery: d.redelivery, Done: d.done,
			Status: d.status, Code: d.code, Payload: d.payload,
		})
	}
	return list
}

// WaitDelivered returns when no delivery is under way or waiting.
func (g *GitHub) WaitDelivered(ctx context.Context) error {
	return g.Wait(ctx, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.undelivered == 0
	})
}

// Redeliver sends a delivery of the first App again, under its GUID, as the owner's "Redeliver" button does.
func (g *GitHub) Redeliver(guid string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.firstApp.deliveries {
		if d.guid == guid {
			g.enqueue(&delivery{
				guid: d.guid, app: d.app, inst: d.inst, repo: d.repo, event: d.event, action: d.action, payload: d.payload,
				redelivery: true,
			})
			return true
		}
	}
	return false
}
