// Package pipelinefile turns .github/slipway.yml into a valid pipeline.Definition, or into every problem it has at once.
package pipelinefile
