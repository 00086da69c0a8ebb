// Package terminal draws runs for a person at a terminal: a live tree while they go, plain lines where nobody looks, a
// report at the end.
package terminal
