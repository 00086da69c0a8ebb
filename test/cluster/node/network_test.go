package main

import (
	"net/netip"
	"testing"
)

func TestPickNetwork(t *testing.T) {
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	for name, tt := range map[string]struct {
		taken []netip.Prefix
		want  int // 0: none is free
	}{
		"nothing is taken":             {nil, 201},
		"an office elsewhere":          {prefixes("10.0.0.0/16", "192.168.1.0/24"), 201},
		"another checkout's cluster":   {prefixes("10.201.0.0/30", "10.201.0.0/16"), 202},
		"one address in the middle":    {prefixes("10.201.200.7/32"), 202},
		"a network that holds several": {prefixes("10.200.0.0/14"), 204},
		"an office that has all of it": {prefixes("10.0.0.0/8"), 0},
	} {
		got, err := pickNetwork(tt.taken)
		if got.Number != tt.want || (err == nil) != (tt.want != 0) {
			t.Errorf("%s: %d, %v; want %d", name, got.Number, err, tt.want)
		}
	}
}

func TestNetworkParts(t *testing.T) {
	n := network{201}
	parts := map[string]netip.Prefix{
		"cable": netip.PrefixFrom(n.machine(), 30).Masked(), "services": n.services(), "pods": n.pods(),
	}
	for name, part := range parts {
		if !n.all().Contains(part.Addr()) || part.Bits() < n.all().Bits() {
			t.Errorf("%s %s is outside of %s", name, part, n.all())
		}
		for other, second := range parts {
			if name != other && part.Overlaps(second) {
				t.Errorf("%s %s and %s %s overlap", name, part, other, second)
			}
		}
	}
	if !n.services().Contains(n.apiService()) || n.node() == n.machine() {
		t.Errorf("API service %s, machine %s, node %s", n.apiService(), n.machine(), n.node())
	}
	if name := n.cable(); len(name) > 15 {
		t.Errorf("%s is too long for an interface", name)
	}
}

func TestParseRoutes(t *testing.T) {
	got, err := parseRoutes([]byte(`[{"dst":"default","gateway":"192.0.2.1"},{"dst":"10.3.0.0/16","dev":"tun0"},{"type":"local","dst":"127.0.0.1"}]`))
	if err != nil || len(got) != 2 || got[0].String() != "10.3.0.0/16" || got[1].String() != "127.0.0.1/32" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := parseRoutes([]byte("Usage: ip")); err == nil {
		t.Error("what is no list was read")
	}
}
