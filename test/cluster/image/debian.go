package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// suite is the name of the machine's own Debian, as bookworm: libraries that a copied program needs are then of its time.
func suite() (string, error) {
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "", err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "VERSION_CODENAME="); ok {
			return strings.Trim(name, `"`), nil
		}
	}
	return "", errors.New("/etc/os-release names no suite: the images are made on Debian and its kin")
}

// mirror is where the machine's packages come from.
func mirror(ctx context.Context, suite string) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: "+suite, "Component: main").Output() //nolint:gosec // a name of the system's
	if err != nil {
		return "", fmt.Errorf("ask apt for its mirror: %w", err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	if first == "" {
		return "", fmt.Errorf("apt knows no mirror of %s", suite)
	}
	return first, nil
}

// debian makes the tree of a small Debian with these packages besides.
func debian(ctx context.Context, root string, with []string) error {
	name, err := suite()
	if err != nil {
		return err
	}
	from, err := mirror(ctx, name)
	if err != nil {
		return err
	}
	// In mounts of its own: what it leaves mounted on failure goes with it.
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "debootstrap", "--variant=minbase", "--include="+strings.Join(with, ","), name, root, from) //nolint:gosec // names of packages
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return fmt.Errorf("debootstrap: %w: %s", err, strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
	return trustAsHere(root)
}

// trustAsHere lets containers trust whom the machine trusts, a company's own authority for one.
func trustAsHere(root string) error {
	const bundle = "etc/ssl/certs/ca-certificates.crt"
	trusted, err := os.ReadFile("/" + bundle)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, bundle), trusted, 0o644); err != nil { //nolint:gosec // everybody reads it
		return err
	}
	return os.WriteFile(filepath.Join(root, "etc/pip.conf"), []byte("[global]\ncert = /"+bundle+"\n"), 0o644) //nolint:gosec // as above
}

// unneeded is true for what the slim images of Debian leave out as well, and for what differs each time.
func unneeded(name string) bool {
	for _, folder := range []string{
		"usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt", "var/cache/debconf", "var/lib/apt/lists", "var/log", "debootstrap",
		"proc", "sys", "dev", "run", "tmp", "root", "var/cache/ldconfig",
	} {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	switch name {
	case "etc/resolv.conf", "etc/hostname", "etc/hosts":
		return true
	}
	return false
}

// ofPython is true for what the layer of the interpreter has.
func ofPython(name string) bool {
	return strings.HasPrefix(name, "usr/local/") || name == "etc/ld.so.cache"
}
