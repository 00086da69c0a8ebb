package handlers

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/palantir/go-githubapp/githubapp"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Service is what handlers ask of the core.
type Service interface {
	Submit(ctx context.Context, t pipeline.Trigger) (pipeline.Run, error)
	Cancel(ctx context.Context, runID int64, reason string) (pipeline.Run, error)
	CancelGroup(ctx context.Context, t pipeline.Trigger, reason string) error
	CancelWaiting(ctx context.Context, t pipeline.Trigger, reason string) error
}

// Dispatcher hands a delivery to the handler of its event. A panic becomes an error, so that the delivery is tried
// again and the process lives.
type Dispatcher struct {
	handlers map[string]githubapp.EventHandler
	log      zerolog.Logger
}

// NewDispatcher registers handlers by the events they name; two for one event are a mistake of the wiring.
func NewDispatcher(log zerolog.Logger, handlers ...githubapp.EventHandler) (*Dispatcher, error) {
	d := &Dispatcher{handlers: make(map[string]githubapp.EventHandler, len(handlers)), log: log}
	for _, h := range handlers {
		for _, event := range h.Handles() {
			if _, taken := d.handlers[event]; taken {
				return nil, fmt.Errorf("two handlers for the event %s", event)
			}
			d.handlers[event] = h
		}
	}
	return d, nil
}

// Knows reports whether an event has a handler.
func (d *Dispatcher) Knows(event string) bool { return d.handlers[event] != nil }

// Events lists the events with a handler, sorted: what the App has to subscribe to.
func (d *Dispatcher) Events() []string {
	events := make([]string, 0, len(d.handlers))
	for event := range d.handlers {
		events = append(events, event)
	}
	slices.Sort(events)
	return events
}

// Dispatch handles one delivery.
func (d *Dispatcher) Dispatch(ctx context.Context, guid, event string, payload []byte) (err error) {
	log := d.log.With().Str("delivery", guid).Str("event", event).Logger()
	defer func() {
		if p := recover(); p != nil {
			log.Error().Interface("panic", p).Bytes("stack", debug.Stack()).Msg("handler panicked")
			err = fmt.Errorf("handler of %s panicked: %v", event, p)
		}
	}()
	h := d.handlers[event]
	if h == nil {
		return nil // the handler was taken away between two versions
	}
	err = h.Handle(log.WithContext(ctx), event, guid, payload)
	if errors.Is(err, pipeline.ErrNotWanted) {
		log.Debug().Msg("the pipeline file asks for no run")
		return nil
	}
	return err
}
