// Package checks shows runs on GitHub: it renders stage attempts as Check Runs and writes them, within GitHub's limits, until
// GitHub shows what the store holds.
package checks
