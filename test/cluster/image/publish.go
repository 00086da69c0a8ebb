// Package image makes the images that the example and the cluster for tests are built from, out of what this machine
// has, and publishes them in a registry under the names that manifests and Dockerfiles use.
package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Source is what the images are made from.
type Source struct {
	Checkout string // the folder of Slipway's module
	FerretDB string // the program
	Scratch  string // a folder for what is in the making; it is removed by whoever made it
}

// keyLabel tells later whether a published image is still what its recipe makes.
const keyLabel = "dev.slipway.recipe"

// Publish makes those images that the registry lacks, and says which.
func Publish(ctx context.Context, registry string, s Source, say func(text string)) error {
	recipes, err := s.recipes(ctx)
	if err != nil {
		return err
	}
	for _, r := range recipes {
		if err := r.publish(ctx, registry, say); err != nil {
			return fmt.Errorf("image %s: %w", r.repository, err)
		}
	}
	return nil
}

func (r recipe) publish(ctx context.Context, registry string, say func(string)) error {
	digest := sha256.Sum256([]byte(revision + r.repository + r.key))
	key := hex.EncodeToString(digest[:])
	first, err := reference(registry, r.repository, r.tags[0])
	if err != nil {
		return err
	}
	if there, err := has(ctx, first, key); err != nil || there {
		return err
	}
	began := time.Now()
	made, err := r.make(ctx)
	if err != nil {
		return err
	}
	if made, err = mark(made, key); err != nil {
		return err
	}
	// The first name comes last: it stands for all of them.
	for _, tag := range slices.Backward(r.tags) {
		ref, err := reference(registry, r.repository, tag)
		if err != nil {
			return err
		}
		if err := remote.Write(ref, made, remote.WithContext(ctx)); err != nil {
			return err
		}
	}
	say(fmt.Sprintf("Made %s:%s in %s", r.repository, r.tags[0], time.Since(began).Round(100*time.Millisecond)))
	return nil
}

func reference(registry, repository, tag string) (name.Tag, error) {
	return name.NewTag(registry+"/"+repository+":"+tag, name.Insecure)
}

// has asks the registry whether the image is there and was made from the same things.
func has(ctx context.Context, ref name.Reference, key string) (bool, error) {
	found, err := remote.Image(ref, remote.WithContext(ctx))
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	file, err := found.ConfigFile()
	return err == nil && file.Config.Labels[keyLabel] == key, err
}

func mark(made v1.Image, key string) (v1.Image, error) {
	file, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := file.Config
	config.Labels = map[string]string{keyLabel: key}
	return mutate.Config(made, config)
}

// text is the source of one of the small programs beside this package.
func (s Source) text(program string) (string, error) {
	text, err := os.ReadFile(filepath.Join(s.Checkout, "test", "cluster", "image", program, "main.go")) //nolint:gosec // a file of the checkout
	return string(text), err
}

// compile builds one of the small programs beside this package.
func (s Source) compile(ctx context.Context, program string) (string, error) {
	built := filepath.Join(s.Scratch, program)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, "./test/cluster/image/"+program) //nolint:gosec // names of ours
	cmd.Dir = s.Checkout
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", program, err, out)
	}
	return built, nil
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
