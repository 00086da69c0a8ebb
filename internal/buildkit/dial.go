package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	engine "github.com/moby/moby/client"
)

// Settings say where the builder is.
type Settings struct {
	// Address is that of a BuildKit daemon: unix:///run/buildkit/buildkitd.sock, tcp://host:1234. Empty: the daemon of this
	// machine where there is one, else the Docker engine that DOCKER_HOST or the usual socket leads to.
	Address string `json:"address,omitempty"`
	// Certificates is a folder with ca.pem, cert.pem and key.pem for an address tcp://…; empty: no TLS.
	Certificates string `json:"certificates,omitempty"`
}

// LocalSocket is where a BuildKit daemon listens unless told otherwise.
const LocalSocket = "/run/buildkit/buildkitd.sock"

// dialFor bounds the first question to a builder.
const dialFor = 20 * time.Second

// UnavailableError says that no builder answers, and what to do.
type UnavailableError struct {
	Tried string
	Err   error
}

func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return "there is no builder: neither a BuildKit daemon nor a Docker engine is on this machine"
	}
	return fmt.Sprintf("%s does not answer: %v", e.Tried, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Builder is a connection to a BuildKit.
type Builder struct {
	client *client.Client
	name   string
	// version is that of a BuildKit that tells it, "v0.31.2".
	version string
	// docker is set where the BuildKit is a Docker engine's.
	docker *engine.Client
	// layouts: it can export OCI layouts. A Docker engine without containerd's image store cannot.
	layouts bool
}

// Dial connects to the builder and asks it something, so that one that is not there is known at once.
func Dial(ctx context.Context, s Settings) (*Builder, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialFor, errors.New("no answer in time"))
	defer cancel()
	address := s.Address
	if address == "" && isSocket(LocalSocket) {
		address = "unix://" + LocalSocket
	}
	if address == "" {
		return dialDocker(ctx)
	}
	return dialDaemon(ctx, address, s.Certificates)
}

func isSocket(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Type() == fs.ModeSocket
}

func dialDaemon(ctx context.Context, address, certificates string) (*Builder, error) {
	var options []client.ClientOpt
	if certificates != "" {
		host := strings.TrimPrefix(address, "tcp://")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		options = append(options,
			client.WithServerConfig(host, filepath.Join(certificates, "ca.pem")),
			client.WithCredentials(filepath.Join(certificates, "cert.pem"), filepath.Join(certificates, "key.pem")))
	}
	b := &Builder{name: "BuildKit at " + address, layouts: true}
	var err error
	if b.client, err = client.New(ctx, address, options...); err != nil {
		return nil, &UnavailableError{b.name, err}
	}
	info, err := b.client.Info(ctx)
	if err != nil {
		return nil, errors.Join(&UnavailableError{b.name, plain(err)}, b.Close())
	}
	b.version = info.BuildkitVersion.Version
	return b, nil
}

// dialDocker reaches the engine's own BuildKit as `docker buildx` does: over two paths of the engine's API.
func dialDocker(ctx context.Context) (*Builder, error) {
	docker, err := engine.New(engine.FromEnv)
	if err != nil {
		return nil, &UnavailableError{"The Docker engine", err}
	}
	if host := docker.DaemonHost(); os.Getenv(engine.EnvOverrideHost) == "" && !isSocket(strings.TrimPrefix(host, "unix://")) {
		return nil, errors.Join(&UnavailableError{}, docker.Close())
	}
	b := &Builder{docker: docker, name: "the Docker engine at " + docker.DaemonHost()}
	info, err := docker.Info(ctx, engine.InfoOptions{})
	if err != nil {
		return nil, errors.Join(&UnavailableError{b.name, err}, docker.Close())
	}
	for _, pair := range info.Info.DriverStatus {
		if pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter.") {
			b.layouts = true
		}
	}
	b.client, err = client.New(ctx, "",
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return docker.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return docker.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return nil, errors.Join(&UnavailableError{b.name, err}, docker.Close())
	}
	// Those before BuildKit 0.11 do not tell their version.
	if info, err := b.client.Info(ctx); err == nil {
		b.version = info.BuildkitVersion.Version
	}
	return b, nil
}

// Close ends the connection.
func (b *Builder) Close() error {
	err := b.client.Close()
	if b.docker != nil {
		err = errors.Join(err, b.docker.Close())
	}
	return err
}

// String names the builder: "BuildKit at unix:///run/buildkit/buildkitd.sock".
func (b *Builder) String() string { return b.name }

// Version is that of its BuildKit; empty: it does not tell.
func (b *Builder) Version() string { return b.version }

// Attests reports whether it can attach provenance to an image, and keep a build cache in a registry.
func (b *Builder) Attests() bool { return b.layouts }
