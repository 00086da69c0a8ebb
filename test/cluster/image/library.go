package image

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// libraries are the shared libraries that a program of the machine is loaded with, and the loader.
func libraries(ctx context.Context, program string) ([]string, error) {
	out, err := exec.CommandContext(ctx, "ldd", program).CombinedOutput() //nolint:gosec // a program of Debian's
	text := string(out)
	if strings.Contains(text, "statically linked") || strings.Contains(text, "not a dynamic executable") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ldd %s: %w: %s", program, err, strings.TrimSpace(text))
	}
	return parseLibraries(out)
}

// parseLibraries reads lines such as
//
//	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0000000000)
//	/lib64/ld-linux-x86-64.so.2 (0x00007f0000000000)
func parseLibraries(out []byte) (paths []string, err error) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		name, rest, arrow := strings.Cut(strings.TrimSpace(lines.Text()), " => ")
		if !arrow {
			rest = name
		}
		found, _, _ := strings.Cut(rest, " (0x")
		switch {
		case strings.HasPrefix(found, "/"):
			paths = append(paths, found)
		case arrow:
			return nil, fmt.Errorf("the library %s is not on this machine", name)
		}
	}
	return paths, lines.Err()
}

// packages are the Debian packages that the files belong to.
func packages(ctx context.Context, files []string) ([]string, error) {
	found := map[string]bool{}
	for _, file := range files {
		name, err := owner(ctx, file)
		if err != nil {
			return nil, err
		}
		found[name] = true
	}
	return sorted(found), nil
}

// owner asks for both names that a file has where /lib is a link to /usr/lib.
func owner(ctx context.Context, file string) (string, error) {
	var problem error
	for _, name := range []string{file, "/usr" + file, strings.TrimPrefix(file, "/usr")} {
		out, err := exec.CommandContext(ctx, "dpkg-query", "--search", name).Output() //nolint:gosec // a path of a library
		if err == nil {
			pkg, _, _ := strings.Cut(string(out), ":")
			return pkg, nil
		}
		problem = err
	}
	return "", fmt.Errorf("no Debian package has %s: %w", file, problem)
}
