// Package buildkit builds images: with a BuildKit daemon, or with the BuildKit that is part of a Docker engine. What it
// leaves is an OCI image layout in a folder; it never pushes an image.
package buildkit
