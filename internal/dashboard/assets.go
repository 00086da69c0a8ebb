package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
)

//go:embed templates/*.html assets/*
var embedded embed.FS

// assets are the page's own style, script and icon, each with the hash of its content.
type assets struct {
	content map[string][]byte
	hash    map[string]string
}

func loadAssets() (assets, error) {
	a := assets{content: map[string][]byte{}, hash: map[string]string{}}
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		content, err := embedded.ReadFile(path.Join("assets", name))
		if err != nil {
			return assets{}, fmt.Errorf("load asset %s: %w", name, err)
		}
		sum := sha256.Sum256(content)
		a.content[name], a.hash[name] = content, hex.EncodeToString(sum[:6])
	}
	return a, nil
}

// assetURL carries the content's hash, so that a browser may keep the file until it changes.
func (s *server) assetURL(name string) string {
	return s.links.base + "/-/" + name + "?" + s.assets.hash[name]
}

func (s *server) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content, known := s.assets.content[name]
	if !known {
		s.missing(w, r, "No such file", "Nothing lives at this address.")
		return
	}
	w.Header().Set("Content-Type", map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}[path.Ext(name)])
	w.Header().Set("ETag", `"`+s.assets.hash[name]+`"`)
	w.Header().Set("Cache-Control", "public, max-age=300")
	if r.URL.RawQuery == s.assets.hash[name] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// icon is the sign of a tone, drawn in the colour of the text around it.
func icon(tone display.Tone) template.HTML {
	const open = `<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">`
	const ring = `<circle cx="8" cy="8" r="6.6"/>`
	switch tone {
	case display.ToneGood:
		return open + ring + `<path d="m5 8.3 2.1 2.1L11 6.2"/></svg>`
	case display.ToneBad:
		return open + ring + `<path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8"/></svg>`
	case display.ToneWarn:
		return open + `<path d="M8 1.9 14.6 13.6H1.4Z"/><path d="M8 6.4v3.2m0 1.9v.1"/></svg>`
	case display.ToneRunning:
		return open + `<g class="spin"><circle cx="8" cy="8" r="6.6" opacity=".3"/><path d="M14.6 8A6.6 6.6 0 0 0 8 1.4"/></g></svg>`
	case display.ToneAsk:
		return open + ring + `<path d="M6.2 6.3a1.9 1.9 0 1 1 2.6 1.8c-.6.3-.8.6-.8 1.2m0 2v.1"/></svg>`
	case display.ToneWait:
		return open + ring + `<path d="M8 4.6V8l2.2 1.5"/></svg>`
	case display.ToneQuiet:
		return open + ring + `<path d="M5.2 8h5.6"/></svg>`
	default:
		return open + ring + `</svg>`
	}
}
