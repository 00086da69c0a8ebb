package dashboard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestReturnPath(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"/":                                 "/",
		"/acme/shop":                        "/acme/shop",
		"/acme/shop/":                       "/acme/shop/",
		"/acme/shop/runs/1?stage=a+b&x=%2F": "/acme/shop/runs/1?stage=a+b&x=%2F",
		"/acme/shop/runs/1/artifacts/2/a%2Fb%20c": "/acme/shop/runs/1/artifacts/2/a%2Fb%20c",
		"/?to=//evil.example":                     "/?to=//evil.example",
		"/a:b/c":                                  "/a:b/c",
		"":                                        "/",
		"acme/shop":                               "/",
		"//evil.example":                          "/",
		"//evil.example/acme/shop":                "/",
		"///evil.example":                         "/",
		"/%2fevil.example":                        "/",
		`/\evil.example`:                          "/",
		`\\evil.example`:                          "/",
		"/\t/evil.example":                        "/",
		"/\n/evil.example":                        "/",
		"\t//evil.example":                        "/",
		"\u0020//evil.example":                    "/",
		"https://evil.example/":                   "/",
		"https:/evil.example/":                    "/",
		"https:evil.example":                      "/",
		"javascript:alert(1)":                     "/",
		"/..//evil.example":                       "/",
		"/.//evil.example":                        "/",
		"/acme/../-/logout":                       "/",
		"/-/login":                                "/",
		"/-/login?to=/-/login":                    "/",
		"/-":                                      "/",
		"/%2d/logout":                             "/",
		"/acme/shop#x":                            "/",
		"/bücher":                                 "/",
		"/%zz":                                    "/",
		"/" + strings.Repeat("a", 2000):           "/",
	} {
		if got := returnPath(raw); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

// asBrowser is the host that a browser at https://ci.example.com goes to when it is told a Location, by the rules of
// https://url.spec.whatwg.org: blanks and control characters at the ends and tabs and line ends anywhere are dropped, a
// backslash is a slash, two slashes begin a host, and a scheme begins anything.
func asBrowser(location string) (host string) {
	location = strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(location)
	if strings.HasPrefix(location, "//") {
		return "elsewhere"
	}
	if strings.HasPrefix(location, "/") || strings.HasPrefix(location, "?") || strings.HasPrefix(location, "#") {
		return "ci.example.com"
	}
	return "elsewhere"
}

// FuzzReturnPath: whatever a visitor's link says, they stay here, and on a page that neither signs in nor out.
func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{
		"/", "/acme/shop?x=1", "//evil", `/\evil`, "/\t/evil", "https://evil", "/%2f/evil", "/..//evil", "/-/logout", "/%2d/logout", "/a/%2e%2e/-/logout",
		"/;@evil", "/?//evil", "/\x00/evil", "/\u2028/evil", "/a%00b", "http:evil", "/a/./b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		to := returnPath(raw)
		if again := returnPath(to); again != to {
			t.Errorf("%q becomes %q, and that %q", raw, to, again)
		}
		for _, base := range []string{"", "/slipway"} {
			answer := httptest.NewRecorder()
			s := &server{links: links{base}}
			s.goTo(answer, httptest.NewRequest(http.MethodGet, "/-/callback", nil), to)
			location := answer.Header().Get("Location")
			if host := asBrowser(location); host != "ci.example.com" {
				t.Errorf("%q leads to %q", raw, location)
			}
			at, err := (&url.URL{Scheme: "https", Host: "ci.example.com", Path: "/"}).Parse(location)
			if err != nil || at.Host != "ci.example.com" {
				t.Errorf("%q leads to %q (%v)", raw, at, err)
				continue
			}
			if rest, found := strings.CutPrefix(at.Path, base+"/"); !found || strings.HasPrefix(rest, "-/") {
				t.Errorf("%q leads to %q", raw, at.Path)
			}
		}
	})
}
