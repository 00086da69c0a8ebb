package githubtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"
)

// doc is a JSON object as GitHub sends it.
type doc = map[string]any

var shaPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

const zeroSHA = "0000000000000000000000000000000000000000"

func isSHA(s string) bool { return shaPattern.MatchString(s) }

// stamp is GitHub's form of a time; nil for none.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// orNull is JSON null for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func nodeID(kind string, id int64) string {
	return kind + "_" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%012d", id))
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

var slugUnfit = regexp.MustCompile(`[^a-z0-9]+`)

func slugOf(name string) string {
	return strings.Trim(slugUnfit.ReplaceAllString(strings.ToLower(name), "-"), "-")
}

// runes counts characters as GitHub's limits do.
func runes(s string) int { return len([]rune(s)) }

func docOf(m map[string]string) doc {
	d := make(doc, len(m))
	for k, v := range m {
		d[k] = v
	}
	return d
}

func cloneStrings(m map[string]string) map[string]string {
	c := make(map[string]string, len(m)+1)
	maps.Copy(c, m)
	return c
}
