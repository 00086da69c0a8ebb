//go:build race

package pipeline

// raced: the race detector makes everything ten times slower, and finds its races in a part of the walks as well.
const raced = true
