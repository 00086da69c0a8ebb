// Package redact replaces secrets in text and in streams, in every form a tool is likely to print them.
package redact

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Mask stands where a secret was.
const Mask = "***"

// MinLength is the least number of characters of a secret: shorter ones cannot be masked without masking half of every
// log.
const MinLength = 4

// TooShortError names the secret that cannot be masked. It never holds the value.
type TooShortError struct{ Name string }

func (e *TooShortError) Error() string {
	return fmt.Sprintf("the value of secret %s has fewer than %d characters and could not be masked in logs: set a longer one",
		e.Name, MinLength)
}

// Redactor knows the forms of a set of secrets. It is immutable and safe for concurrent use; nil masks nothing.
type Redactor struct {
	line  index // forms without a line break, for streams of lines
	whole index // those and the values of several lines, for complete texts
}

// New makes a Redactor for values by name. Every value that is too short is refused by name.
func New(secrets map[string]string) (*Redactor, error) {
	forms := map[string]struct{}{}
	for _, name := range sortedKeys(secrets) {
		value := secrets[name]
		if utf8.RuneCountInString(value) < MinLength {
			return nil, &TooShortError{Name: name}
		}
		addForms(forms, value)
	}
	r := &Redactor{line: newIndex(), whole: newIndex()}
	for form := range forms {
		r.whole.add(form)
		if !strings.ContainsAny(form, "\n") {
			r.line.add(form)
		}
	}
	r.line.finish()
	r.whole.finish()
	return r, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Empty reports whether there is nothing to mask.
func (r *Redactor) Empty() bool { return r == nil || len(r.whole.forms) == 0 }

// String masks a complete text.
func (r *Redactor) String(text string) string {
	if r.Empty() {
		return text
	}
	spans := r.whole.find([]byte(text), nil)
	if len(spans) == 0 {
		return text
	}
	return string(replace(nil, []byte(text), spans))
}

// span is a half-open range of bytes that a secret covers.
type span struct{ start, end int }

// replace appends text to dst with every span masked. Spans are in order and do not overlap.
func replace(dst, text []byte, spans []span) []byte {
	at := 0
	for _, s := range spans {
		dst = append(dst, text[at:s.start]...)
		dst = append(dst, Mask...)
		at = s.end
	}
	return append(dst, text[at:]...)
}

// index finds forms by their first four bytes: every form has at least that many, so a map of prefixes behind a filter
// of byte pairs looks at almost nothing in ordinary text.
type index struct {
	forms   map[string]struct{}
	pairs   []bool // by the first two bytes
	buckets map[[MinLength]byte][]string
	longest int
}

func newIndex() index {
	return index{forms: map[string]struct{}{}, buckets: map[[MinLength]byte][]string{}}
}

func (x *index) add(form string) {
	if len(form) < MinLength {
		return
	}
	x.forms[form] = struct{}{}
}

func (x *index) finish() {
	x.pairs = make([]bool, 1<<16)
	for form := range x.forms {
		x.pairs[int(form[0])<<8|int(form[1])] = true
		key := [MinLength]byte([]byte(form[:MinLength]))
		x.buckets[key] = append(x.buckets[key], form)
		x.longest = max(x.longest, len(form))
	}
	for _, bucket := range x.buckets {
		slices.SortFunc(bucket, func(a, b string) int { return len(b) - len(a) })
	}
}

// find appends the spans of text that forms cover, overlapping ones merged: two secrets that overlap in
// the text are masked as one, so that no end of either stays.
func (x *index) find(text []byte, spans []span) []span {
	for i := 0; i+MinLength <= len(text); i++ {
		if !x.pairs[int(text[i])<<8|int(text[i+1])] {
			continue
		}
		n := x.matchAt(text[i:])
		if n == 0 {
			continue
		}
		if last := len(spans) - 1; last >= 0 && i < spans[last].end {
			spans[last].end = max(spans[last].end, i+n)
			continue
		}
		spans = append(spans, span{i, i + n})
	}
	return spans
}

// matchAt returns the length of the longest form text starts with.
func (x *index) matchAt(text []byte) int {
	for _, form := range x.buckets[[MinLength]byte(text[:MinLength])] {
		if len(form) <= len(text) && string(text[:len(form)]) == form {
			return len(form)
		}
	}
	return 0
}
