package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipwayhq/slipway/test/cluster/image"
)

// images starts the registry and fills it with what the example and the cluster need.
func images(ctx context.Context, w workshop) (registry string, err error) {
	programs, err := w.build(ctx, "ferretdb")
	if err != nil {
		return "", err
	}
	registry, err = registryUp(ctx, w.place)
	if err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(string(w.place), "making-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	source := image.Source{Checkout: filepath.Dir(filepath.Dir(w.source)), FerretDB: programs["ferretdb"], Scratch: scratch}
	if err := image.Publish(ctx, registry, source, func(text string) { fmt.Println(text) }); err != nil {
		return "", fmt.Errorf("make images: %w", err)
	}
	return registry, nil
}
