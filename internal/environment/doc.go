// Package environment decides whether a candidate may enter an environment, and keeps who is in it, who waits, and what was
// released.
package environment
