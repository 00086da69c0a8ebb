package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

// Accept puts a delivery on the disk together with its job and tells whether it is new. Concurrent callers share one
// commit. When it returns without an error, the delivery's work will be done, whatever becomes of this process.
func (db *DB) Accept(ctx context.Context, d store.Delivery) (store.AcceptResult, error) {
	payload, deflated, err := db.deflaters.deflate(d.Payload)
	if err != nil {
		return "", fmt.Errorf("delivery %s: %w", d.GUID, err)
	}
	received := d.ReceivedAt
	if received.IsZero() {
		received = db.now()
	}
	var result store.AcceptResult
	err = db.writer.apply(ctx, durable, func(b *batch) error {
		var state store.DeliveryState
		err := b.one(`SELECT state FROM deliveries WHERE guid = ?`, []any{d.GUID}, &state)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			result = store.Accepted
			_, err = b.exec(`INSERT INTO deliveries (guid, event, state, received_at, size, deflated, payload)
				VALUES (?, ?, 'received', ?, ?, ?, ?)`, d.GUID, d.Event, nanos(received), len(d.Payload), deflated, payload)
		case err == nil && state == store.DeliveryDone:
			result = store.Duplicate
			return nil
		case err == nil && state == store.DeliveryFailed:
			result = store.Resumed
			_, err = b.exec(`UPDATE deliveries SET state = 'received', reason = '', finished_at = 0 WHERE guid = ?`, d.GUID)
		case err == nil:
			result = store.Resumed
		}
		if err != nil {
			return err
		}
		b.addJob(store.DeliveryJob{GUID: d.GUID}, 0) // unique: nothing is inserted where one is alive
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("delivery %s: %w", d.GUID, err)
	}
	return result, nil
}

// Delivery returns one delivery, with its payload while it is not done; ErrNotFound.
func (db *DB) Delivery(ctx context.Context, guid string) (store.Delivery, error) {
	d := store.Delivery{GUID: guid}
	err := db.look(ctx, func(v view) error {
		var received, finished int64
		var deflated bool
		var payload []byte
		err := v.one(`SELECT event, state, reason, received_at, finished_at, size, deflated, payload FROM deliveries WHERE guid = ?`,
			[]any{guid}, &d.Event, &d.State, &d.Reason, &received, &finished, &d.Size, &deflated, &payload)
		if err != nil {
			return err
		}
		d.ReceivedAt, d.FinishedAt = fromNanos(received), fromNanos(finished)
		d.Payload, err = inflate(payload, deflated, d.Size)
		return err
	})
	if err != nil {
		return store.Delivery{}, fmt.Errorf("delivery %s: %w", guid, err)
	}
	return d, nil
}

// DeliveryDone notes that the work of a delivery is done; its payload is dropped. The note is lazy: without it the
// work is found done when it is repeated.
func (db *DB) DeliveryDone(ctx context.Context, guid string) error {
	return db.finishDelivery(ctx, guid, `UPDATE deliveries SET state = 'done', reason = '', finished_at = ?, payload = NULL WHERE guid = ?`,
		nanos(db.now()), guid)
}

// DeliveryFailed notes that the work of a delivery is given up, and why. It is kept; a redelivery makes it work again.
func (db *DB) DeliveryFailed(ctx context.Context, guid, reason string) error {
	return db.finishDelivery(ctx, guid, `UPDATE deliveries SET state = 'failed', reason = ?, finished_at = ? WHERE guid = ?`,
		reason, nanos(db.now()), guid)
}

func (db *DB) finishDelivery(ctx context.Context, guid, query string, args ...any) error {
	return wrap(db.writer.apply(ctx, lazy, func(b *batch) error {
		n, err := b.exec(query, args...)
		if err == nil && n == 0 {
			return pipeline.ErrNotFound
		}
		return err
	}), "delivery "+guid)
}

// Deliveries lists deliveries, newest first, without payloads.
func (db *DB) Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivery, error) {
	where, args := []string{"received_at >= ?"}, []any{nanos(f.Since)}
	switch f.State {
	case "":
	case store.DeliveryDone:
		where = append(where, "state = 'done'")
	default:
		where, args = append(where, "state = ? AND state <> 'done'"), append(args, string(f.State))
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	var list []store.Delivery
	err := db.look(ctx, func(v view) error {
		return v.all(`SELECT guid, event, state, reason, received_at, finished_at, size FROM deliveries WHERE `+
			strings.Join(where, " AND ")+` ORDER BY received_at DESC LIMIT ?`, append(args, limit),
			func(scan func(...any) error) error {
				var d store.Delivery
				var received, finished int64
				err := scan(&d.GUID, &d.Event, &d.State, &d.Reason, &received, &finished, &d.Size)
				d.ReceivedAt, d.FinishedAt = fromNanos(received), fromNanos(finished)
				list = append(list, d)
				return err
			})
	})
	return list, wrap(err, "list deliveries")
}
