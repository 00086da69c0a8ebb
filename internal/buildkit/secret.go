package buildkit

import (
	"context"
	"fmt"
	"net"

	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Credentials are asked for a registry's host when the builder pulls from it or keeps a cache there; false: none.
type Credentials func(host string) (user, password string, ok bool)

// attachables are what a build may ask of us while it goes on: secrets, signatures by SSH keys, registry logins. They
// travel over the connection and are mounted where the Dockerfile says so; none becomes part of a layer.
func (r Request) attachables() ([]session.Attachable, error) {
	var all []session.Attachable
	if r.Credentials != nil {
		all = append(all, authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: func(_ context.Context, host string, _ []string, _ authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
				if host == authprovider.DockerHubConfigfileKey || host == authprovider.DockerHubRegistryHost {
					host = "docker.io"
				}
				user, password, ok := r.Credentials(host)
				if !ok {
					return types.AuthConfig{}, nil
				}
				return types.AuthConfig{Username: user, Password: password, ServerAddress: host}, nil
			},
		}))
	}
	if len(r.Secrets) > 0 {
		values := make(map[string][]byte, len(r.Secrets))
		for name, value := range r.Secrets {
			values[name] = []byte(value)
		}
		all = append(all, secretsprovider.FromMap(values))
	}
	if r.SSHKey != "" {
		keys, err := newKeyring(r.SSHKey)
		if err != nil {
			return nil, err
		}
		all = append(all, keys)
	}
	return all, nil
}

// keyring signs for `RUN --mount=type=ssh`. The key itself never leaves this process, and never touches a disk.
type keyring struct {
	sshforward.UnimplementedSSHServer

	agent agent.Agent
}

func newKeyring(pem string) (*keyring, error) {
	key, err := ssh.ParseRawPrivateKey([]byte(pem))
	if err != nil {
		return nil, &KeyError{err}
	}
	a := agent.NewKeyring()
	if err := a.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return nil, &KeyError{err}
	}
	return &keyring{agent: a}, nil
}

// KeyError says that the SSH key for builds cannot be used. Its text holds nothing of the key.
type KeyError struct{ err error }

func (e *KeyError) Error() string { return fmt.Sprintf("the SSH key cannot be read: %v", e.err) }

// Register implements session.Attachable.
func (k *keyring) Register(server *grpc.Server) { sshforward.RegisterSSHServer(server, k) }

// CheckAgent implements sshforward.SSHServer.
func (k *keyring) CheckAgent(_ context.Context, request *sshforward.CheckAgentRequest) (*sshforward.CheckAgentResponse, error) {
	if request.GetID() != "" && request.GetID() != sshforward.DefaultID {
		return nil, status.Errorf(codes.NotFound, "there is one SSH key for builds, and its id is default, not %s", request.GetID())
	}
	return &sshforward.CheckAgentResponse{}, nil
}

// ForwardAgent implements sshforward.SSHServer: it lets one connection of the build talk to the agent, which only signs.
func (k *keyring) ForwardAgent(stream sshforward.SSH_ForwardAgentServer) error {
	if asked, ok := metadata.FromIncomingContext(stream.Context()); ok {
		for _, id := range asked[sshforward.KeySSHID] {
			if id != "" && id != sshforward.DefaultID {
				return status.Errorf(codes.NotFound, "there is no SSH key %s", id)
			}
		}
	}
	ours, theirs := net.Pipe()
	go func() {
		defer ours.Close()                            //nolint:errcheck // a pipe in memory
		_ = agent.ServeAgent(readOnly{k.agent}, ours) // it ends with the connection, and that end is its error
	}()
	return sshforward.Copy(stream.Context(), theirs, stream, nil)
}

// readOnly keeps a build from changing the keys that others use.
type readOnly struct{ agent.Agent }

func (readOnly) Add(agent.AddedKey) error   { return errReadOnly }
func (readOnly) Remove(ssh.PublicKey) error { return errReadOnly }
func (readOnly) RemoveAll() error           { return errReadOnly }
func (readOnly) Lock([]byte) error          { return errReadOnly }
func (readOnly) Unlock([]byte) error        { return errReadOnly }

var errReadOnly = fmt.Errorf("the agent only signs")
