package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
)

// network is 10.N.0.0/16, of which the node has everything: a cable to the machine, services, pods.
type network struct {
	Number int `json:"number"`
}

// The numbers that are tried; others are likelier to be somebody's office.
const firstNetwork, lastNetwork = 201, 249

func (n network) all() netip.Prefix      { return n.prefix(0, 16) }
func (n network) pods() netip.Prefix     { return n.prefix(128, 24) }
func (n network) services() netip.Prefix { return n.prefix(64, 20) }

// machine and node are the two ends of the cable.
func (n network) machine() netip.Addr { return n.prefix(0, 30).Addr().Next() }
func (n network) node() netip.Addr    { return n.machine().Next() }

// apiService is where pods find the API server: the first address of all services.
func (n network) apiService() netip.Addr { return n.services().Addr().Next() }

// cable is the name of the machine's end.
func (n network) cable() string { return fmt.Sprintf("slipway%d", n.Number) }

func (n network) prefix(third byte, bits int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n.Number), third, 0}), bits) //nolint:gosec // at most 249
}

// freeNetwork finds one that the machine neither has nor knows a way to.
func freeNetwork(ctx context.Context) (network, error) {
	taken, err := takenNetworks(ctx)
	if err != nil {
		return network{}, err
	}
	return pickNetwork(taken)
}

func pickNetwork(taken []netip.Prefix) (network, error) {
candidates:
	for number := firstNetwork; number <= lastNetwork; number++ {
		n := network{number}
		for _, other := range taken {
			if n.all().Overlaps(other) {
				continue candidates
			}
		}
		return n, nil
	}
	return network{}, fmt.Errorf("none of the networks 10.%d.0.0/16 to 10.%d.0.0/16 is free on this machine", firstNetwork, lastNetwork)
}

func takenNetworks(ctx context.Context) (taken []netip.Prefix, err error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			taken = append(taken, prefix.Masked())
		}
	}
	out, err := output(ctx, "ip", "-4", "-json", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	routes, err := parseRoutes(out)
	return append(taken, routes...), err
}

func parseRoutes(text []byte) (routes []netip.Prefix, err error) {
	var listed []struct {
		To string `json:"dst"`
	}
	if err := json.Unmarshal(text, &listed); err != nil {
		return nil, fmt.Errorf("read the list of routes: %w", err)
	}
	for _, r := range listed {
		if prefix, err := netip.ParsePrefix(r.To); err == nil && prefix.Bits() > 0 {
			routes = append(routes, prefix)
		} else if address, err := netip.ParseAddr(r.To); err == nil {
			routes = append(routes, netip.PrefixFrom(address, address.BitLen()))
		}
	}
	return routes, nil
}

// connect lays the cable from the machine to the network of the process, and the way to everything of the node. All of
// it goes with the process.
func (n network) connect(ctx context.Context, pid int) error {
	return runAll(ctx,
		[]string{"ip", "link", "add", n.cable(), "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(pid)},
		[]string{"ip", "address", "add", n.machine().String() + "/30", "dev", n.cable()},
		[]string{"ip", "link", "set", n.cable(), "up"},
		[]string{"ip", "route", "add", n.all().String(), "via", n.node().String(), "dev", n.cable()},
	)
}

// receive is the node's side of connect. It knows no way beyond the machine: what asks for one is told so at once.
func (n network) receive(ctx context.Context) error {
	return runAll(ctx,
		[]string{"ip", "link", "set", "lo", "up"},
		[]string{"ip", "address", "add", n.node().String() + "/30", "dev", "eth0"},
		[]string{"ip", "link", "set", "eth0", "up"},
	)
}

func runAll(ctx context.Context, commands ...[]string) error {
	for _, command := range commands {
		if _, err := output(ctx, command[0], command[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// output runs a program to its end; where it fails, the error has what it said.
func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output() //nolint:gosec // the arguments are ours
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), context.Cause(ctx))
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return out, nil
}
