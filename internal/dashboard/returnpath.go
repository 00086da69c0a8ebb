package dashboard

import (
	"net/url"
	"path"
	"strings"
)

const maxReturn = 2000

// returnPath is where a visitor wants to go after signing in, as it stands in an address: the path and query of a page
// of ours, below the base path. Anything else is "/": nobody is sent to another site, nor to a page that signs in or out.
func returnPath(raw string) string {
	const home = "/"
	if len(raw) > maxReturn || !strings.HasPrefix(raw, "/") || strings.ContainsFunc(raw, unfitForAddress) {
		return home
	}
	u, err := url.Parse(raw)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") {
		return home
	}
	clean := path.Clean(u.Path)
	if clean != u.Path && clean+"/" != u.Path || clean == "/-" || strings.HasPrefix(clean, "/-/") {
		return home
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).RequestURI()
}

// unfitForAddress finds what browsers drop from addresses or read in another way than we do: control characters, blanks,
// backslashes, and the fragment's sign. What is not ASCII comes percent-encoded.
func unfitForAddress(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '#' }
