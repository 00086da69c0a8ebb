// Package openapi holds GitHub's own description of the operations the GitHub stand-in answers.
package openapi

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
)

// The description is generated: see README.md.
//
//go:generate go run ./trim -in $OPENAPI -out api.github.com.json.gz

//go:embed api.github.com.json.gz
var compressed []byte

//go:embed operations.txt
var operations string

// Operations lists what the description holds, a line each: "GET /repos/{}/{}/pulls".
func Operations() string { return operations }

// JSON returns the description.
func JSON() ([]byte, error) {
	zip, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("open GitHub's API description: %w", err)
	}
	data, err := io.ReadAll(zip)
	if err = errors.Join(err, zip.Close()); err != nil {
		return nil, fmt.Errorf("read GitHub's API description: %w", err)
	}
	return data, nil
}
