package dashboard

import (
	"net/http"
	"net/url"
	"time"
)

// cookies are kept as strictly as the address of the pages allows.
type cookies struct {
	prefix, path string
	secure       bool
}

// Names of our cookies, behind the prefix.
const (
	sessionCookie = "slipway-session"
	pendingCookie = "slipway-sign-in"
)

// cookiesFor chooses __Host- where the pages have a host to themselves and https: no other host of the domain can set such
// a cookie then. With a path of their own it is __Secure-, and only that path gets the cookie.
func cookiesFor(public *url.URL, base string) cookies {
	c := cookies{path: "/", secure: public.Scheme == "https"}
	if base != "" {
		c.path = base
	}
	switch {
	case c.secure && base == "":
		c.prefix = "__Host-"
	case c.secure:
		c.prefix = "__Secure-"
	}
	return c
}

func (c cookies) set(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the public address is https
		Name: c.prefix + name, Value: value, Path: c.path, MaxAge: int(life.Seconds()), Secure: c.secure, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, // Strict would not be sent on the way back from GitHub, nor for links in checks
	})
}

func (c cookies) drop(w http.ResponseWriter, name string) { c.set(w, name, "", -time.Second) }

func (c cookies) get(r *http.Request, name string) string {
	cookie, err := r.Cookie(c.prefix + name)
	if err != nil {
		return ""
	}
	return cookie.Value
}
