//go:build !race

package environment

const raced = false
