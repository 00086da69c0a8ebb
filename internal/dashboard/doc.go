// Package dashboard serves the pages: lists of runs, one run with its graph, timeline and live log, and its files.
package dashboard
