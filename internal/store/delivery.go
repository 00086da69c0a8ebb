package store

import "time"

// Delivery is one webhook delivery of GitHub, kept until its work is done.
type Delivery struct {
	// GUID is X-GitHub-Delivery: the same for a redelivery.
	GUID  string
	Event string
	// Payload is the body as it came. It is given back by Delivery alone, and only while the work is not done.
	Payload    []byte
	ReceivedAt time.Time

	// What follows is filled by the store.

	State DeliveryState
	// Reason says why a failed one failed.
	Reason string
	// FinishedAt is when it was done or given up; zero before.
	FinishedAt time.Time
	// Size is the payload's, in bytes.
	Size int
}

// DeliveryState is how far the work of a delivery is.
type DeliveryState string

// A delivery is received, then done or failed. A redelivery of a failed one makes it received again.
const (
	DeliveryReceived DeliveryState = "received"
	DeliveryDone     DeliveryState = "done"
	DeliveryFailed   DeliveryState = "failed"
)

// AcceptResult tells what accepting a delivery did. In each case the delivery is on disk.
type AcceptResult string

// The results of Accept.
const (
	// Accepted: it is new and has a job.
	Accepted AcceptResult = "accepted"
	// Resumed: it was known and unfinished; it has a job, a new one if none was alive.
	Resumed AcceptResult = "resumed"
	// Duplicate: its work is done; nothing was stored.
	Duplicate AcceptResult = "duplicate"
)

// DeliveryFilter selects deliveries for a list; zero fields do not filter. They come newest first, without payloads.
type DeliveryFilter struct {
	State DeliveryState
	// Since leaves out those received earlier.
	Since time.Time
	// Limit defaults to 100.
	Limit int
}
