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
// point a name of its own at 127.0.0.1 and read the pages through a visitor's browser (DNS rebinding).
type LoopbackOnly struct{}

// Enter is Visible for a local request, SignInFirst otherwise.
func (LoopbackOnly) Enter(r *http.Request) Decision {
	if forwarded(r.Header) || !loopbackPeer(r.RemoteAddr) || !loopbackHost(r.Host) {
		return SignInFirst
	}
	return Visible
}

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

func loopbackHost(host string) bool {
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
