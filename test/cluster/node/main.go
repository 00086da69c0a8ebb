// Command node is a Kubernetes of one node for tests, with real pods, and a registry of images beside it.
// scripts/cluster and scripts/registry call it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

const usage = `usage: node build            what the cluster runs
       node up               the cluster and the registry; says where they are
       node down             ends both
       node status           says where they are
       node registry up      the registry alone, with the images that the example is made from
       node registry down`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1) //nolint:gocritic // nothing is deferred that matters now
	}
}

func run(ctx context.Context, args []string) error {
	p, err := place.Find()
	if err != nil {
		return err
	}
	if len(args) == 2 && args[0] == "first" {
		c, _, err := recorded[cluster](recordFile(p))
		if err != nil {
			return err
		}
		return first(ctx, c)
	}
	source, err := filepath.Abs(filepath.Join("test", "cluster"))
	if err != nil {
		return err
	}
	w := workshop{place: p, source: source}
	command, known := commands()[strings.Join(args, " ")]
	if !known {
		return errors.New(usage)
	}
	if err := os.MkdirAll(string(p), 0o750); err != nil {
		return err
	}
	// One of us at a time changes anything here.
	unlock, err := lock(p.At("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	return command(ctx, w)
}

func commands() map[string]func(context.Context, workshop) error {
	return map[string]func(context.Context, workshop) error{
		"build":  func(ctx context.Context, w workshop) error { return only(w.build(ctx)) },
		"up":     up,
		"status": func(_ context.Context, w workshop) error { return status(w.place) },
		"down": func(ctx context.Context, w workshop) error {
			return errors.Join(down(ctx, w.place), registryDown(ctx, w.place))
		},
		"registry up": func(ctx context.Context, w workshop) error {
			address, err := images(ctx, w)
			if err == nil {
				fmt.Printf("  registry    %s\n", address)
			}
			return err
		},
		"registry down": func(ctx context.Context, w workshop) error { return registryDown(ctx, w.place) },
	}
}

func only[T any](_ T, err error) error { return err }

func status(p place.Place) error {
	c, running, err := current(p)
	if err != nil {
		return err
	}
	if running {
		return tell(c)
	}
	address, up, err := registryAddress(p)
	if err != nil {
		return err
	}
	if up {
		fmt.Printf("  registry    %s\n", address)
	}
	return errors.New("no cluster is up")
}
