package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// source is a GitSource whose every field has been looked at.
type source struct {
	pipeline.GitSource
	url *url.URL
}

var objectName = regexp.MustCompile(`^[0-9a-f]{40}$`)

// checkSource holds a source against what git may be given. allowFile admits paths of this machine.
func checkSource(g pipeline.GitSource, allowFile bool) (source, error) {
	u, err := checkURL(g.CloneURL, allowFile)
	if err != nil {
		return source{}, err
	}
	if !objectName.MatchString(g.SHA) {
		return source{}, refused("%q is no full commit name (40 hexadecimal digits)", printable(g.SHA))
	}
	if g.BaseSHA != "" && !objectName.MatchString(g.BaseSHA) {
		return source{}, refused("%q is no full commit name (40 hexadecimal digits)", printable(g.BaseSHA))
	}
	if g.Ref != "" && !validRef(g.Ref) {
		return source{}, refused("%q is no reference git would fetch", printable(g.Ref))
	}
	return source{GitSource: g, url: u}, nil
}

// checkURL admits https, http to this machine, and where allowed its paths; never an address with credentials, which
// would end up in logs.
func checkURL(raw string, allowFile bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refused("the clone address of the repository is no URL")
	}
	if u.User != nil {
		return nil, refused("the clone address of %s holds credentials; they travel apart", u.Host)
	}
	switch {
	case u.Scheme == "https" && u.Host != "":
		return u, nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	case allowFile && u.Scheme == "file" && u.Host == "" && filepath.IsAbs(u.Path):
		return u, nil
	case allowFile && u.Scheme == "" && filepath.IsAbs(raw):
		return &url.URL{Scheme: "file", Path: raw}, nil
	}
	return nil, refused("clone address %s: only https is fetched (http from this machine)", printable(u.Redacted()))
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// validRef is git check-ref-format for a full name: a branch named like an option or a refspec gets no further.
func validRef(ref string) bool {
	if !strings.HasPrefix(ref, "refs/") || len(ref) > 1024 || strings.HasSuffix(ref, ".") {
		return false
	}
	for _, bad := range []string{"..", "@{", "//"} {
		if strings.Contains(ref, bad) {
			return false
		}
	}
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return !strings.ContainsFunc(ref, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r)
	})
}

// key names the mirror: readable, unique by address, safe as a file name.
func (s source) key() string {
	sum := sha256.Sum256([]byte(strings.TrimSuffix(s.url.String(), "/")))
	return safeName(s.display()) + "-" + hex.EncodeToString(sum[:8])
}

// display is owner/name as people know it.
func (s source) display() string {
	parts := strings.Split(strings.Trim(strings.TrimSuffix(s.url.Path, ".git"), "/"), "/")
	return printable(strings.Join(parts[max(0, len(parts)-2):], "/"))
}

func (s source) host() string {
	if s.url.Host == "" {
		return "this machine"
	}
	return s.url.Host
}

// origin is the part of the address credentials are for.
func (s source) origin() string { return s.url.Scheme + "://" + s.url.Host + "/" }

func safeName(name string) string {
	const longest = 60
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_':
			return r
		default:
			return '-'
		}
	}, name)
	return strings.Trim(name[:min(len(name), longest)], "-")
}
