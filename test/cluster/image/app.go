package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// App puts the example together without a builder, for tests that need its image and not how it is made, and publishes
// it as the repository says. It returns the digest.
func App(ctx context.Context, registry, repository string, s Source) (string, error) {
	python, err := findInterpreter(ctx, pythonVersion)
	if err != nil {
		return "", err
	}
	base, err := reference(registry, "library/python", pythonVersion+"-slim")
	if err != nil {
		return "", err
	}
	from, err := remote.Image(base, remote.WithContext(ctx))
	if err != nil {
		return "", fmt.Errorf("read the base: %w", err)
	}
	layer, err := s.app(ctx, python)
	if err != nil {
		return "", err
	}
	made, err := extend(from, v1.Config{
		User: "10001:10001", WorkingDir: "/app",
		Env: []string{searchPath, "PYTHONPATH=/packages", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "APP_VERSION=test"},
		// As in its Dockerfile.
		Cmd: []string{"python", "-m", "gunicorn", "--bind=0.0.0.0:5000", "--workers=1", "--threads=8", "--worker-tmp-dir=/dev/shm", "--access-logfile=-", "wsgi:app"},
	}, layer)
	if err != nil {
		return "", err
	}
	to, err := reference(registry, repository, "test")
	if err != nil {
		return "", err
	}
	if err := remote.Write(to, made, remote.WithContext(ctx)); err != nil {
		return "", err
	}
	digest, err := made.Digest()
	return digest.String(), err
}

func (s Source) app(ctx context.Context, python interpreter) (v1.Layer, error) {
	example := filepath.Join(s.Checkout, "examples", "inventory-manager")
	text, err := os.ReadFile(filepath.Join(example, "requirements.txt")) //nolint:gosec // a file of the checkout
	if err != nil {
		return nil, err
	}
	needed, _, _ := strings.Cut(string(text), "# Test tools")
	list, root := filepath.Join(s.Scratch, "app.txt"), filepath.Join(s.Scratch, "app")
	if err := os.WriteFile(list, []byte(needed), 0o600); err != nil { //nolint:gosec // a folder of ours
		return nil, err
	}
	interpreter := filepath.Join(python.prefix, "bin", "python"+pythonVersion)
	cmd := exec.CommandContext(ctx, interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target", filepath.Join(root, "packages"), "--requirement", list) //nolint:gosec // the example's packages
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("install the example's packages: %w: %s", err, out)
	}
	compile := exec.CommandContext(ctx, interpreter, compileAll(filepath.Join(root, "packages"))...) //nolint:gosec // as above
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the example's packages: %w: %s", err, out)
	}
	copied := errors.Join(
		os.CopyFS(filepath.Join(root, "app", "inventory"), os.DirFS(filepath.Join(example, "inventory"))),
		copyFile(filepath.Join(example, "wsgi.py"), filepath.Join(root, "app", "wsgi.py")),
	)
	if copied != nil {
		return nil, copied
	}
	return s.fill(func(a *archive) error {
		return a.tree(root, func(name string) bool {
			return strings.HasPrefix(name, "app/") && strings.Contains(name, "__pycache__")
		})
	})
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from) //nolint:gosec // a file of the checkout
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644) //nolint:gosec // everybody in the image reads it
}
