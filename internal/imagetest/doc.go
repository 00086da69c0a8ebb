// Package imagetest starts the real components that the tests and measurements of images, and the demo, need: registries with and
// without logins, and a BuildKit that takes the images of docker.io from one of them. It needs root.
package imagetest
