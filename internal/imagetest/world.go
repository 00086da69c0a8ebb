package imagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// User and Password log in to the registry that asks for a login.
const (
	User     = "builder"
	Password = "correct horse battery"
)

// World is a registry without logins, one with, and a BuildKit.
type World struct {
	// Open and Closed are registries, "127.0.0.1:PORT"; Closed asks for User and Password.
	Open, Closed string
	// Buildkit is the address of a BuildKit daemon: unix:///….
	Buildkit string
	// OpenData is the folder in which Open keeps what it has.
	OpenData string

	dir string
	// direct: the images of docker.io come from there.
	direct  bool
	daemons []*daemon
	// folders are others that go with the world.
	folders []string
}

// Start starts everything below a folder of its own. Stop ends it.
func Start(ctx context.Context) (*World, error) {
	dir, err := os.MkdirTemp("", "imagetest-")
	if err != nil {
		return nil, err
	}
	w := &World{dir: dir}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

// StartRegistries starts the registries alone.
func StartRegistries(ctx context.Context) (*World, error) {
	dir, err := os.MkdirTemp("", "imagetest-")
	if err != nil {
		return nil, err
	}
	w := &World{dir: dir}
	if err := w.registries(ctx); err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

// OpenOptions are those of StartOpen.
type OpenOptions struct {
	// Dir is a folder of the caller's, which goes with the world.
	Dir string
	// Registry is one that runs already, "127.0.0.1:PORT"; empty: one is started.
	Registry string
	// Direct: the images of docker.io come from there; otherwise from the registry.
	Direct bool
}

// StartOpen starts a BuildKit and, unless there is one, a registry without logins.
func StartOpen(ctx context.Context, o OpenOptions) (*World, error) {
	w := &World{dir: o.Dir, direct: o.Direct, Open: o.Registry, OpenData: filepath.Join(o.Dir, "open")}
	var err error
	if w.Open == "" {
		w.Open, err = w.registry(ctx, "open", "")
	}
	if err == nil {
		w.Buildkit, err = w.buildkit(ctx, filepath.Join(o.Dir, "buildkit"))
	}
	if err != nil {
		return nil, errors.Join(err, w.Stop())
	}
	return w, nil
}

func (w *World) start(ctx context.Context) error {
	if err := w.registries(ctx); err != nil {
		return err
	}
	var err error
	w.Buildkit, err = w.buildkit(ctx, filepath.Join(w.dir, "buildkit"))
	return err
}

func (w *World) registries(ctx context.Context) error {
	var err error
	w.OpenData = filepath.Join(w.dir, "open")
	if w.Open, err = w.registry(ctx, "open", ""); err != nil {
		return err
	}
	w.Closed, err = w.registry(ctx, "closed", Password)
	return err
}

// Stop ends what was started and removes what it left.
func (w *World) Stop() error {
	var problems []error
	for _, d := range slices.Backward(w.daemons) {
		problems = append(problems, d.stop())
	}
	for _, dir := range append(w.folders, w.dir) {
		problems = append(problems, os.RemoveAll(dir))
	}
	return errors.Join(problems...)
}

func (w *World) registry(ctx context.Context, name, password string) (address string, err error) {
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	address = "127.0.0.1:" + strconv.Itoa(port)
	config := fmt.Sprintf("version: 0.1\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", dir, address)
	if password != "" {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			return "", err
		}
		file := filepath.Join(dir, "htpasswd")
		if err := os.WriteFile(file, fmt.Appendf(nil, "%s:%s\n", User, hash), 0o600); err != nil {
			return "", err
		}
		config += fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", file)
	}
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return "", err
	}
	d, err := launch(ctx, dir, "docker-registry", nil, answers("tcp", address), "serve", file)
	if err != nil {
		return "", err
	}
	w.daemons = append(w.daemons, d)
	return address, nil
}

// buildkit starts a daemon that keeps everything below root and listens on a socket.
func (w *World) buildkit(ctx context.Context, root string) (string, error) {
	socket, err := w.socket(root)
	if err != nil {
		return "", err
	}
	return "unix://" + socket, w.launchBuildkit(ctx, root, "unix://"+socket, "", answers("unix", socket))
}

// SecureBuildkit starts a daemon that listens on tcp:// for those whose certificate is signed by ca.pem in a folder, where
// its own cert.pem and key.pem are, too.
func (w *World) SecureBuildkit(ctx context.Context, root, certificates string) (string, error) {
	port, err := freePort(ctx)
	if err != nil {
		return "", err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	tls := fmt.Sprintf("[grpc.tls]\n  cert = %q\n  key = %q\n  ca = %q\n",
		filepath.Join(certificates, "cert.pem"), filepath.Join(certificates, "key.pem"), filepath.Join(certificates, "ca.pem"))
	return "tcp://" + address, w.launchBuildkit(ctx, root, "tcp://"+address, tls, answers("tcp", address))
}

func (w *World) launchBuildkit(ctx context.Context, root, address, tls string, ready func(context.Context) error) error {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	var config strings.Builder
	fmt.Fprintf(&config, `root = %q
[grpc]
  address = [%q]
%s[worker.oci]
  enabled = true
[worker.containerd]
  enabled = false
`, filepath.Join(root, "state"), address, tls)
	if !w.direct {
		fmt.Fprintf(&config, "[registry.\"docker.io\"]\n  mirrors = [%q]\n", w.Open)
	}
	for _, host := range []string{w.Open, w.Closed} {
		if host != "" {
			fmt.Fprintf(&config, "[registry.%q]\n  http = true\n", host)
		}
	}
	file := filepath.Join(root, "buildkitd.toml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return err
	}
	// runc is looked for on PATH, where users who are not root have no /usr/sbin.
	env := []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin"}
	d, err := launch(ctx, root, "buildkitd", env, ready, "--config", file)
	if err != nil {
		return err
	}
	w.daemons = append(w.daemons, d)
	return nil
}

// maxSocket is how long the path of a socket may be.
const maxSocket = 100

// socket is below root, or, where its path would be too long, in a short folder of its own.
func (w *World) socket(root string) (string, error) {
	const file = "buildkitd.sock"
	if len(root)+len(file) < maxSocket {
		return filepath.Join(root, file), nil
	}
	dir, err := os.MkdirTemp("/tmp", "buildkit-")
	w.folders = append(w.folders, dir)
	return filepath.Join(dir, file), err
}

// AnotherBuildkit starts a second daemon that keeps everything below root: on a disk that is full, for instance.
func (w *World) AnotherBuildkit(ctx context.Context, root string) (string, error) {
	return w.buildkit(ctx, root)
}
