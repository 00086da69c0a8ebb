// Package queue works durable jobs on River: deliveries, stage attempts and interrupts, each kind in a queue of its own.
package queue
