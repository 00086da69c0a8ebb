package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// list is the content of a layer as lines.
func list(t *testing.T, layer v1.Layer) (lines []string) {
	t.Helper()
	content, err := layer.Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSpace(header.Name+" "+header.Linkname))
	}
}

func TestLayer(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/tool", "a program")
	write("usr/share/doc/tool", "left out")
	if err := errors.Join(os.Link(filepath.Join(root, "bin/tool"), filepath.Join(root, "bin/tool2")), os.Symlink("tool", filepath.Join(root, "bin/tool3"))); err != nil {
		t.Fatal(err)
	}
	build := func() v1.Layer {
		layer, err := Source{Scratch: t.TempDir()}.fill(func(a *archive) error {
			return errors.Join(
				a.folder("data/db", 0o777, databaseUser),
				a.program("opt/tool", filepath.Join(root, "bin/tool")),
				a.program("opt/tool", filepath.Join(root, "bin/tool")), // again
				a.tree(root, unneeded),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
		return layer
	}
	first := build()
	want := []string{"data/", "data/db/", "opt/", "opt/tool", "bin/", "bin/tool", "bin/tool2 bin/tool", "bin/tool3 tool", "usr/", "usr/share/", "usr/share/doc/"}
	if got := list(t, first); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}

	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(root, "bin/tool"), later, later); err != nil {
		t.Fatal(err)
	}
	one, err := first.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := build().Digest(); err != nil || one != two {
		t.Errorf("the same files make %s and %s: %v", one, two, err)
	}
}

func TestParseLibraries(t *testing.T) {
	got, err := parseLibraries([]byte("\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f00)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f01)\n"))
	if want := []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := parseLibraries([]byte("\tlibnone.so.1 => not found\n")); err == nil || !strings.Contains(err.Error(), "libnone.so.1") {
		t.Errorf("a library that is not there: %v", err)
	}
}
