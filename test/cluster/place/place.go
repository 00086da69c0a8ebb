// Package place says where the cluster for tests keeps its things.
package place

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Variable names another folder than .cache/cluster of the checkout.
const Variable = "SLIPWAY_CLUSTER_CACHE"

// Place is a folder. What is made once stays in it; what belongs to the running cluster is below run.
type Place string

// Find returns the folder of this checkout, or the one that the environment names.
func Find() (Place, error) {
	if dir := os.Getenv(Variable); dir != "" {
		absolute, err := filepath.Abs(dir)
		return Place(absolute), err
	}
	root, err := checkout()
	return Place(filepath.Join(root, ".cache", "cluster")), err
}

// checkout is the nearest folder above the current one that holds Slipway's module.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		file, err := os.ReadFile(filepath.Join(dir, "go.mod")) //nolint:gosec // a folder above this one
		if err == nil && strings.HasPrefix(string(file), "module github.com/slipwayhq/slipway\n") {
			return dir, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", fmt.Errorf("this is no checkout of Slipway, and %s is not set", Variable)
		}
		dir = above
	}
}

// At is a path below the place.
func (p Place) At(parts ...string) string {
	return filepath.Join(append([]string{string(p)}, parts...)...)
}

// Run is a path below what belongs to the running cluster.
func (p Place) Run(parts ...string) string { return p.At(append([]string{"run"}, parts...)...) }

// Kubeconfig is the administrator's way into the running cluster. It is there only while the cluster is up.
func (p Place) Kubeconfig() string { return p.Run("kubeconfig") }

// Registry holds the address of the running registry, as 127.0.0.1:port. It is there only while the registry is up.
func (p Place) Registry() string { return p.At("registry", "address") }
