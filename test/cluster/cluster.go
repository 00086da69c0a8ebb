// Package cluster gives tests a real Kubernetes and a real registry of images: those of make cluster-up and
// scripts/registry up, or another cluster that KUBECONFIG names. Without one a test is skipped; CI does not go without.
package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/test/cluster/place"
)

// Kubeconfig is the path of a file that makes its reader the administrator of a cluster.
func Kubeconfig(tb testing.TB) string {
	tb.Helper()
	if given := os.Getenv("KUBECONFIG"); given != "" {
		return given
	}
	path := found(tb).Kubeconfig()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		missing(tb, "no cluster is up; make cluster-up starts one, KUBECONFIG names another")
	} else if err != nil {
		tb.Fatal(err)
	}
	return path
}

// Registry is the address of a registry as 127.0.0.1:port, spoken to without TLS and without a name. It has the base
// images of the example. The cluster of make cluster-up takes every image from it, whatever registry the image's name says.
func Registry(tb testing.TB) string {
	tb.Helper()
	address, err := os.ReadFile(found(tb).Registry())
	if errors.Is(err, fs.ErrNotExist) {
		missing(tb, "no registry is up; make cluster-up or scripts/registry up starts one")
	} else if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(string(address))
}

// Namespace makes a namespace that goes with the test.
func Namespace(tb testing.TB) string {
	tb.Helper()
	name := "test-" + strings.ToLower(rand.Text()[:10])
	Kubectl(tb, "", "create", "namespace", name)
	tb.Cleanup(func() { Kubectl(tb, "", "delete", "namespace", name, "--wait=false") })
	return name
}

// Kubectl runs kubectl as the administrator and returns what it printed; the test ends where it fails.
func Kubectl(tb testing.TB, input string, args ...string) string {
	tb.Helper()
	out, err := TryKubectl(tb, input, args...)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// patience is longer than any single thing that a test asks of a cluster.
const patience = 5 * time.Minute

// TryKubectl is Kubectl for what may fail; the error has what kubectl said.
func TryKubectl(tb testing.TB, input string, args ...string) (string, error) {
	tb.Helper()
	// Also while a test cleans up, after its own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, Program(tb), args...) //nolint:gosec // what tests ask
	cmd.Env = append(os.Environ(), "KUBECONFIG="+Kubeconfig(tb))
	cmd.Stdin = strings.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}

// Program is the path of kubectl: the one that was built with the cluster, or the machine's.
func Program(tb testing.TB) string {
	tb.Helper()
	built := found(tb).At("bin", "kubectl")
	if _, err := os.Stat(built); err == nil {
		return built
	}
	path, err := exec.LookPath("kubectl")
	if err != nil {
		missing(tb, "kubectl is neither built (scripts/cluster build) nor on PATH")
	}
	return path
}

func found(tb testing.TB) place.Place {
	tb.Helper()
	p, err := place.Find()
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}
