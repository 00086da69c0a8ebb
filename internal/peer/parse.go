package peer

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Fields of a line of /proc/net/tcp, see proc_net_tcp in the kernel's documentation.
const (
	fieldLocal  = 1
	fieldRemote = 2
	fieldUID    = 7
	fieldInode  = 9
)

// parseSocket reads a line of /proc/net/tcp or tcp6; false for the heading and for what has another form.
func parseSocket(line string) (local, remote netip.AddrPort, s socket, ok bool) {
	fields := strings.Fields(line)
	if len(fields) <= fieldInode {
		return local, remote, s, false
	}
	local, okLocal := parseAddress(fields[fieldLocal])
	remote, okRemote := parseAddress(fields[fieldRemote])
	uid, err := strconv.Atoi(fields[fieldUID])
	return local, remote, socket{uid: uid, inode: fields[fieldInode]}, okLocal && okRemote && err == nil
}

// parseAddress reads 0100007F:1F90: words of four bytes in the machine's (little-endian) order, then the port.
func parseAddress(text string) (netip.AddrPort, bool) {
	host, portText, found := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	port, portErr := strconv.ParseUint(portText, 16, 16)
	if !found || err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	address, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address.Unmap(), uint16(port)), ok
}
