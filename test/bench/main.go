// Command bench prints the figures of docs/performance.md: the real program against the GitHub stand-in, on this machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// figure is one line of the result.
type figure struct{ name, value, aim string }

// part is a group of figures that are measured together.
type part struct {
	name    string
	measure func(ctx context.Context, binary string) ([]figure, error)
}

func parts() []part {
	return []part{
		{"latency", latency},
		{"burst", burst},
		{"crash", crash},
		{"repeat", repeat},
		{"waiting", waiting},
		{"stages", stages},
		{"checkout", checkout},
		{"image", image},
		{"kubernetes", kubernetes},
		{"budget", budget},
	}
}

func main() {
	only := flag.String("only", "", "measure only these parts, separated by commas")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // nothing is deferred that matters now
	}
}

func run(ctx context.Context, only string) error {
	binary := os.Getenv("SLIPWAY_BINARY")
	if binary == "" {
		return errors.New("SLIPWAY_BINARY is not set: call make bench")
	}
	fmt.Printf("%-52s %-28s %s\n", "figure", "measured", "aim")
	for _, p := range parts() {
		if only != "" && !slices.Contains(strings.Split(only, ","), p.name) {
			continue
		}
		figures, err := p.measure(ctx, binary)
		for _, f := range figures {
			fmt.Printf("%-52s %-28s %s\n", f.name, f.value, f.aim)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}
