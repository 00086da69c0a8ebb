package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// LoopbackOnly lets in whoever sits at this machine and nobody else. It is what a server without sign-in uses.
//
// A connection from 127.0.0.1 is not enough: a reverse proxy or a tunnel on the same machine makes everybody look
// local, so a request that was forwarded is refused. The Host must name this machine too: otherwise a web site could
// point a name of its own at 127.0.0.1 and read the pages through a visitor's browser (DNS rebinding). And the code of a
// repository, whose sandbox may share the host's network, is nobody who sits here.
type LoopbackOnly struct {
	// Sandboxed reports whether a loopback connection comes from a stage; nil: nobody asks. An error refuses.
	Sandboxed func(client, server netip.AddrPort) (bool, error)
}

// Enter is Visible for a local request, SignInFirst otherwise.
func (a LoopbackOnly) Enter(r *http.Request) Decision {
	if forwarded(r.Header) || !loopbackPeer(r.RemoteAddr) || !IsLoopbackHost(r.Host) || sandboxed(a.Sandboxed, r) {
		return SignInFirst
	}
	return Visible
}

// Visitor is nobody: that somebody sits at this machine does not say who it is.
func (LoopbackOnly) Visitor(*http.Request) (Person, bool) { return Person{}, false }

// sandboxed reports whether a request may come from a stage; ask is nil where nobody can tell.
func sandboxed(ask func(client, server netip.AddrPort) (bool, error), r *http.Request) bool {
	if ask == nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return true
	}
	server, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return true
	}
	stage, err := ask(unmapped(client), unmapped(server))
	return err != nil || stage
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// See is Enter: at this machine every repository may be seen.
func (a LoopbackOnly) See(r *http.Request, _ pipeline.Repository) Decision { return a.Enter(r) }

func forwarded(header http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if len(header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

func loopbackPeer(address string) bool {
	peer, err := netip.ParseAddrPort(address)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// IsLoopbackHost reports whether a host, with or without a port, can only be this machine.
func IsLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
