// Command layout makes the image that the example's Dockerfile begins with, for machines that cannot pull it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/slipwayhq/slipway/test/cluster/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "base image:", err)
		os.Exit(1) //nolint:gocritic // the signal's handler goes with the process
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) != 1 {
		return errors.New("usage: layout DIR")
	}
	scratch, err := os.MkdirTemp("", "base-image-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	words, err := image.WriteBase(ctx, args[0], image.Source{Scratch: scratch})
	if err == nil && words != "" {
		fmt.Println("Made", words)
	}
	return err
}
