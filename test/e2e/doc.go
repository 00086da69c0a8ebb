// Package e2e runs the real program from outside, against the GitHub stand-in.
package e2e
