package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// record is what an earlier build of the same inputs left.
type record struct {
	Digest string `json:"digest"`
	// Revision is the commit it was built of.
	Revision string    `json:"revision"`
	Branch   string    `json:"branch"`
	Epoch    time.Time `json:"epoch,omitzero"`
	// SBOM: the list of its contents is attached.
	SBOM bool `json:"sbom"`
}

// lacks reports whether an earlier image has no list of its contents, which a build could have now.
func (a *attempt) lacks(earlier record) bool {
	if !a.settings.SBOM || earlier.SBOM {
		return false
	}
	_, err := exec.LookPath(toolTrivy)
	return err == nil
}

// inputs are everything that decides what a build gives: what it sees of the commit, its definition, and what the images
// it takes from elsewhere are now.
type inputs struct {
	Context, Dockerfile string
	Target              string
	Platforms           []string
	Args                map[string]string
	Bases               map[string]string
	// Secrets are the names of those that the build may ask for; SSH: it may ask for signatures.
	Secrets []string
	SSH     bool
	// Attached says what is attached to the image.
	Provenance, SBOM bool
	// Builder is the version of BuildKit; a newer one may build differently.
	Builder string
}

// reusable reports whether builds of this Dockerfile may stand for each other at all: everything it fetches must be known
// by digest or checksum, and the frontend must be one whose Dockerfiles are understood here.
func (a *attempt) reusable(d dockerfile, own bool) bool {
	return own && d.complete && a.settings.Cache != cacheNone && a.task().CacheWritable
}

func (a *attempt) inputKey(c contents, p place, bases map[string]string, version string) (string, error) {
	sum := sha256.Sum256(p.text)
	text, err := json.Marshal(inputs{
		Context: c.hash, Dockerfile: hex.EncodeToString(sum[:]), Target: a.settings.Target, Platforms: a.settings.Platforms,
		Args: a.settings.BuildArgs, Bases: bases, Secrets: slices.Sorted(maps.Keys(a.buildSecrets())), SSH: a.sshKey() != "",
		Provenance: a.settings.Provenance, SBOM: a.settings.SBOM, Builder: version,
	})
	if err != nil {
		return "", fmt.Errorf("name the inputs of the build: %w", err)
	}
	key := sha256.Sum256(text)
	return hex.EncodeToString(key[:]), nil
}

// earlier finds a build of the same inputs whose image is still here, whole.
func (st store) earlier(key string) (built, record, bool) {
	text, err := os.ReadFile(st.record(key))
	if err != nil {
		return built{}, record{}, false
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return built{}, record{}, false
	}
	b, found := st.find(r.Digest)
	if !found || b.verify() != nil {
		return built{}, record{}, false
	}
	st.used(st.record(key))
	return b, r, true
}

// remember notes what a build gave.
func (st store) remember(key string, r record) (err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	half, err := os.CreateTemp(filepath.Join(st.dir, recordsDir), newPrefix)
	if err != nil {
		return fmt.Errorf("note the build: %w", err)
	}
	_, err = half.Write(text)
	if err = errors.Join(err, half.Close()); err == nil {
		err = os.Rename(half.Name(), st.record(key))
	}
	if err != nil {
		return fmt.Errorf("note the build: %w", errors.Join(err, removeIfThere(half.Name())))
	}
	return nil
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (st store) record(key string) string { return filepath.Join(st.dir, recordsDir, key+".json") }
