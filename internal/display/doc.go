// Package display holds the words, durations and clean texts that the page and the terminal show alike.
package display
