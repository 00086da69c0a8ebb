package terraform

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxSmall bounds outputs that are a line or two.
const maxSmall = 64 << 10

// bounded takes the first bytes and lets the rest go.
type bounded struct {
	to   io.Writer
	left int64
	// over: something was let go.
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if take := min(int64(len(p)), b.left); take > 0 {
		if _, err := b.to.Write(p[:take]); err != nil {
			return 0, err
		}
		b.left -= take
		b.over = b.over || take < int64(len(p))
	} else if len(p) > 0 {
		b.over = true
	}
	return len(p), nil
}

// hashOf is the hash of values as JSON.
func hashOf(values ...any) string {
	text, err := json.Marshal(values)
	if err != nil {
		// Only a value that is no data can fail, and none such is hashed; should one be, it equals nothing.
		text = []byte(err.Error())
	}
	return hashBytes(text)
}

func hashBytes(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// makeFolder makes a folder within another, which commands may write: a link there must not lead elsewhere.
func makeFolder(within, name string) error {
	root, err := os.OpenRoot(within)
	if err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return errors.Join(err, root.Close())
	}
	info, err := root.Lstat(name)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", name)
	}
	return errors.Join(err, root.Close())
}

// oneLine is a text without line breaks.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// sentence ends a text with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
