// Package registry publishes images: it logs in, asks beforehand whether it may push, pushes by digest, reads back what is
// there, and moves tags.
package registry
