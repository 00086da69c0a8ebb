// Package handlers takes GitHub's webhook deliveries: durable before the answer, then one file an event that unmarshals,
// ignores, translates into the words of package pipeline and calls.
package handlers
