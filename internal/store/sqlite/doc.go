// Package sqlite keeps the truth of Slipway in one SQLite file: runs, deliveries and the jobs of River, changed in the
// same transactions.
//
// One goroutine writes. Callers hand it their changes and wait; it carries out all that wait in one transaction, each
// in a savepoint of its own, and commits once: concurrent callers share one sync of the disk (group commit). Readers
// have connections of their own and never wait for it.
package sqlite
