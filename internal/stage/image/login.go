package image

import (
	"context"
	"slices"

	"github.com/slipwayhq/slipway/internal/registry"
	"github.com/slipwayhq/slipway/internal/registry/login"
)

// Secrets that the kind knows.
//
//nolint:gosec // names, not values
const (
	secretUser     = login.User
	secretPassword = login.Password
	secretSSH      = "SSH_PRIVATE_KEY"
	secretSignKey  = "COSIGN_PRIVATE_KEY"
	secretSignWord = "COSIGN_PASSWORD"
)

// access is who we are in the image's own registry. It is given to no other.
type access struct {
	host        string
	credentials registry.Credentials
}

// logIn finds out who we are: Amazon's registry takes AWS credentials, others a user and a password.
func (a *attempt) logIn(ctx context.Context) (err error) {
	if a.settings.Repository == "" {
		return nil
	}
	a.login.host = registry.Host(a.settings.Repository)
	a.login.credentials, err = login.For(ctx, a.s, a.login.host)
	return err
}

// forBuilder are the logins that the builder may use.
func (a *attempt) forBuilder(host string) (user, password string, ok bool) {
	if host != a.login.host || a.login.credentials == (registry.Credentials{}) {
		return "", "", false
	}
	return a.login.credentials.User, a.login.credentials.Password, true
}

func (a *attempt) openRepository() (*registry.Repository, error) {
	return registry.Open(a.settings.Repository, registry.Options{
		Credentials: a.login.credentials, Insecure: a.options.Insecure, Backoff: a.options.Backoff, Log: a.s.Log,
	})
}

// buildSecrets are those that `RUN --mount=type=secret` may ask for: what the file names, and nothing that the kind takes
// for itself.
func (a *attempt) buildSecrets() map[string]string {
	secrets := map[string]string{}
	for _, name := range a.task().Stage.Secrets {
		if slices.Contains([]string{secretUser, secretPassword, secretSSH, secretSignKey, secretSignWord}, name) {
			continue
		}
		if value, set := a.s.Secret(name); set {
			secrets[name] = value
		}
	}
	return secrets
}

// sshKey is for `RUN --mount=type=ssh`, where the file names it.
func (a *attempt) sshKey() string {
	if !slices.Contains(a.task().Stage.Secrets, secretSSH) {
		return ""
	}
	key, _ := a.s.Secret(secretSSH)
	return key
}
