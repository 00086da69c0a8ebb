// Package runner is the stage process: a Task comes in, Events go out; redaction, deadlines and process groups live here.
package runner
