// Package displaytest builds runs as they really look, for the tests of everything that draws them.
package displaytest
