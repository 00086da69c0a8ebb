package imagetest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// applets are the names that busybox is called by in the base image.
const applets = "sh cat cp echo env false id ln ls mkdir mv rm sleep test touch true wc dd sha256sum base64 nc"

// osRelease and packages make scanners take the image for a Debian with some old packages; see
// test/tools/trivy/database/advisories.json.
const (
	osRelease = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"
	packages  = `Package: openssl
Status: install ok installed
Version: 3.0.5-1
Architecture: amd64
Maintainer: nobody

Package: tar
Status: install ok installed
Version: 1.34+dfsg-1.2
Architecture: amd64
Maintainer: nobody

`
)

// Base is an image that Dockerfiles of tests begin with: a busybox that says it is Debian. The files are added to it.
func Base(files map[string]string) (v1.Image, error) {
	program, err := Tool("busybox")
	if err != nil {
		return nil, err
	}
	busybox, err := os.ReadFile(program) //nolint:gosec // a program of this machine
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	write := func(header tar.Header, content []byte) {
		header.Size = int64(len(content))
		if err == nil {
			err = w.WriteHeader(&header)
		}
		if err == nil {
			_, err = w.Write(content)
		}
	}
	for _, dir := range []string{"bin", "etc", "tmp", "var", "var/lib", "var/lib/dpkg"} {
		write(tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	write(tar.Header{Name: "bin/busybox", Typeflag: tar.TypeReg, Mode: 0o755}, busybox)
	for applet := range strings.FieldsSeq(applets) {
		write(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil)
	}
	write(tar.Header{Name: "etc/os-release", Typeflag: tar.TypeReg, Mode: 0o644}, []byte(osRelease))
	write(tar.Header{Name: "etc/debian_version", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("12.5\n"))
	write(tar.Header{Name: "etc/passwd", Typeflag: tar.TypeReg, Mode: 0o644}, []byte("root:x:0:0::/:/bin/sh\napp:x:10001:10001::/:/bin/sh\n"))
	write(tar.Header{Name: "var/lib/dpkg/status", Typeflag: tar.TypeReg, Mode: 0o644}, []byte(packages))
	for name, content := range files {
		write(tar.Header{Name: path.Clean(name), Typeflag: tar.TypeReg, Mode: 0o644}, []byte(content))
	}
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	text := layer.Bytes()
	added, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, added)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config.Env = "linux", "amd64", []string{"PATH=/bin"}
	return mutate.ConfigFile(image, config)
}

// Publish puts an image into the open registry, "library/base:1": a Dockerfile then says FROM base:1.
func (w *World) Publish(ctx context.Context, repository string, image v1.Image) error {
	ref, err := name.ParseReference(w.Open+"/"+repository, name.Insecure)
	if err != nil {
		return err
	}
	if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("publish %s: %w", repository, err)
	}
	return nil
}
