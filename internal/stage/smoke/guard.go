package smoke

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// errForbidden is what a dial to an address ends with that no smoke test may ask.
var errForbidden = errors.New("this address is not asked by smoke tests")

// forbidden are addresses at which clouds tell a machine its own credentials, and those that only reach the machine itself
// or its neighbours.
var forbidden = []netip.Prefix{ //nolint:gochecknoglobals // a constant list
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"), // link-local: AWS, GCP, Azure, OpenStack
	netip.MustParsePrefix("fd00:ec2::/32"),      // AWS over IPv6
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure's wire server
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("::/128"),
	netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("ff00::/8"),
}

// direct is a client that goes to no forbidden address, whatever a name resolves to at that moment. loopback is where the
// bot's own pages are: only a person's own checkout reaches it. at, where set, is asked in place of every host.
func (t *test) direct(at string) *http.Client {
	ownMachine := t.task.Source.Directory != ""
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		return allowed(address, ownMachine)
	}}
	transport := &http.Transport{
		// No proxy: it would look names up itself.
		Proxy: nil, TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if at != "" {
				_, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				address = net.JoinHostPort(at, port)
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
	return &http.Client{Transport: transport, CheckRedirect: noRedirect}
}

// allowed judges an address that a name was resolved to.
func allowed(address string, ownMachine bool) error {
	parsed, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errForbidden, address)
	}
	ip := parsed.Addr().Unmap().WithZone("")
	if ip.IsLoopback() && !ownMachine {
		return fmt.Errorf("%w: %s is the machine of the bot itself", errForbidden, ip)
	}
	for _, prefix := range forbidden {
		if prefix.Contains(ip) {
			return fmt.Errorf("%w: %s", errForbidden, ip)
		}
	}
	return nil
}
