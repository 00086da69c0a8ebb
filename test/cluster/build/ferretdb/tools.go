//go:build tools

// Package ferretdb names the program that is built from this module.
package ferretdb

import _ "github.com/FerretDB/FerretDB/cmd/ferretdb"
