package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// wrapWidths are the columns at which base64(1) and openssl break their output.
var wrapWidths = []int{76, 64} //nolint:gochecknoglobals // a constant list; Go has no constant slices

// addForms adds a value, each of its lines, and every encoding of both that tools print.
func addForms(forms map[string]struct{}, value string) {
	addEncodings(forms, value)
	if !strings.Contains(value, "\n") {
		return
	}
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if utf8.RuneCountInString(line) >= MinLength {
			addEncodings(forms, line)
		}
	}
	// Files with the line ends of another system.
	addEncodings(forms, strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\n", "\r\n"))
}

func addEncodings(forms map[string]struct{}, value string) {
	add := func(form string) {
		if len(form) >= MinLength {
			forms[form] = struct{}{}
		}
	}
	add(value)
	addBase64(add, value)
	for _, escaped := range []string{url.QueryEscape(value), url.PathEscape(value), percentAll(value)} {
		add(escaped)
		add(lowerPercent(escaped))
	}
	addJSON(add, value)
	add(strings.ReplaceAll(value, `'`, `'\''`)) // a trace of the shell
	for _, apostrophe := range []string{"'", "&#39;", "&apos;"} {
		add(escapeMarkup(value, apostrophe))
	}
}

// addBase64 adds what a value looks like inside the base64 of a longer text, for each of the three places in a group of
// three bytes at which it can begin, without the characters that neighbours decide.
func addBase64(add func(string), value string) {
	for offset := range 3 {
		padded := append(make([]byte, offset), value...)
		first := (offset*8 + 5) / 6
		end := len(padded) * 8 / 6
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			encoded := encoding.EncodeToString(padded)
			add(encoded[first:end])
			if offset == 0 {
				addWrapped(add, encoded)
			}
		}
	}
}

// addWrapped adds the lines of an encoding that a tool broke into lines. The last may be short; a fragment of under
// eight characters says little and would mask much.
func addWrapped(add func(string), encoded string) {
	for _, width := range wrapWidths {
		if len(encoded) <= width {
			continue
		}
		for rest := encoded; rest != ""; {
			n := min(width, len(rest))
			if n >= 8 {
				add(rest[:n])
			}
			rest = rest[n:]
		}
	}
}

// percentAll escapes everything but unreserved characters, as encodeURIComponent nearly does.
func percentAll(value string) string {
	return strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

// lowerPercent writes the digits of percent escapes in lower case.
func lowerPercent(escaped string) string {
	out := []byte(escaped)
	for i := 0; i+2 < len(out); i++ {
		if out[i] == '%' {
			copy(out[i+1:i+3], strings.ToLower(string(out[i+1:i+3])))
			i += 2
		}
	}
	return string(out)
}

// addJSON adds the escapings of the encoders in use: Go's with and without HTML escapes, slashes escaped (PHP, some
// loggers), and everything beyond ASCII escaped (Python).
func addJSON(add func(string), value string) {
	if encoded, err := json.Marshal(value); err == nil { // a string always encodes
		add(unquote(string(encoded)))
	}
	var plain strings.Builder
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return
	}
	escaped := unquote(strings.TrimSuffix(plain.String(), "\n"))
	for _, form := range []string{escaped, asciiOnly(escaped)} {
		add(form)
		add(strings.ReplaceAll(form, "/", `\/`))
		add(strings.ReplaceAll(form, `\`, `\\`)) // JSON within JSON, `repr` of a dumped string
	}
}

func unquote(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }

func asciiOnly(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// escapeMarkup is the text in XML and HTML reports, which differ in how they write an apostrophe.
func escapeMarkup(value, apostrophe string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", apostrophe).Replace(value)
}
