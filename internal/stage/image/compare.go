package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// change is how an image differs from the one that an environment runs now.
type change struct {
	environment, digest string
	// unknown: what was found in that image is not known here (any more).
	unknown bool
	// same: it is the same image.
	same        bool
	fixed, come []vulnerability
}

// compare notes what was found in an image, and holds it against what was found in those that environments run now.
func (st store) compare(made built, running map[string]string, result *scanned) error {
	if result.unknown != "" {
		return nil
	}
	for _, environment := range slices.Sorted(maps.Keys(running)) {
		digest := digestIn(running[environment])
		c := change{environment: environment, digest: digest, same: digest == made.digest.String()}
		before, err := st.found(digest)
		switch {
		case c.same:
		case errors.Is(err, fs.ErrNotExist):
			c.unknown = true
		case err != nil:
			return err
		default:
			c.fixed, c.come = without(before, result.vulnerabilities), without(result.vulnerabilities, before)
		}
		result.changes = append(result.changes, c)
	}
	text, err := json.Marshal(result.vulnerabilities)
	if err != nil {
		return err
	}
	name, _ := st.foundFile(made.digest.String())
	if err := os.WriteFile(name, text, fileReadable); err != nil {
		return fmt.Errorf("note what was found in the image: %w", err)
	}
	return nil
}

// digestIn is the digest of an image's full name; empty: it has none.
func digestIn(image string) string {
	_, digest, _ := strings.Cut(image, "@")
	return digest
}

// foundFile holds what was found in an image; false: that is no digest.
func (st store) foundFile(digest string) (string, bool) {
	name := "found-" + strings.ReplaceAll(digest, ":", "-") + ".json"
	return filepath.Join(st.dir, recordsDir, name), digest != "" && filepath.IsLocal(name)
}

func (st store) found(digest string) ([]vulnerability, error) {
	name, ok := st.foundFile(digest)
	if !ok {
		return nil, fs.ErrNotExist
	}
	text, err := os.ReadFile(name) //nolint:gosec // a file of ours, see foundFile
	if err != nil {
		return nil, err
	}
	var all []vulnerability
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fs.ErrNotExist // a file cut short by a full disk tells nothing
	}
	return all, nil
}

// without are those of a that b has not.
func without(a, b []vulnerability) []vulnerability {
	has := map[string]bool{}
	for _, v := range b {
		has[v.name()] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(v vulnerability) bool { return has[v.name()] })
}
