package imagetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// PublishDatabase puts a vulnerability database, db/trivy.db and db/metadata.json below dir, into a registry in the form in
// which Trivy fetches its own.
func PublishDatabase(ctx context.Context, reference, dir string) error {
	var packed bytes.Buffer
	compressed := gzip.NewWriter(&packed)
	w := tar.NewWriter(compressed)
	for _, file := range []string{"trivy.db", "metadata.json"} {
		text, err := os.ReadFile(filepath.Join(dir, "db", file)) //nolint:gosec // a file of the test
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: file, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		return err
	}
	const media = types.MediaType("application/vnd.aquasec.trivy.db.layer.v1.tar+gzip")
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.aquasec.trivy.config.v1+json")
	image, err := mutate.Append(image, mutate.Addendum{
		Layer: static.NewLayer(packed.Bytes(), media), Annotations: map[string]string{"org.opencontainers.image.title": "db.tar.gz"},
	})
	if err != nil {
		return fmt.Errorf("pack the database: %w", err)
	}
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, image, remote.WithContext(ctx))
}
