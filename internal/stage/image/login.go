package image

import (
	"context"
	"slices"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/registry"
)

// Secrets that the kind knows.
const ( //nolint:gosec // names, not values
	secretUser     = "DOCKER_USERNAME"
	secretPassword = "DOCKER_PASSWORD"
	secretSSH      = "SSH_PRIVATE_KEY"
	secretSignKey  = "COSIGN_PRIVATE_KEY"
	secretSignWord = "COSIGN_PASSWORD"
)

// login is who we are in the image's own registry. It is given to no other.
type login struct {
	host        string
	credentials registry.Credentials
}

// logIn finds out who we are: Amazon's registry takes AWS credentials, others a user and a password.
func (a *attempt) logIn(ctx context.Context) error {
	if a.settings.Repository == "" {
		return nil
	}
	a.login.host = registry.Host(a.settings.Repository)
	user, hasUser := a.s.Secret(secretUser)
	password, hasPassword := a.s.Secret(secretPassword)
	region, isECR := registry.ECRRegion(a.login.host)
	switch {
	case isECR && !hasUser && !hasPassword:
		return a.logInToECR(ctx, region)
	case hasUser && hasPassword:
		a.login.credentials = registry.Credentials{User: user, Password: password}
	case hasUser:
		return fail("The secret "+secretPassword+" is missing", "The secret "+secretUser+" is set and "+secretPassword+" is not: a login to "+a.login.host+" needs both.")
	case hasPassword:
		return fail("The secret "+secretUser+" is missing", "The secret "+secretPassword+" is set and "+secretUser+" is not: a login to "+a.login.host+" needs both.")
	}
	return nil
}

// logInToECR exchanges the stage's AWS credentials; without any nobody is logged in, and the registry says what it thinks
// of that.
func (a *attempt) logInToECR(ctx context.Context, region string) error {
	request := awscloud.RequestOf(a.task(), a.s.Secret)
	if request.Empty() {
		return nil
	}
	request.Region = region
	access, err := awscloud.Open(ctx, request)
	if err != nil {
		return err
	}
	for name, value := range access.Secrets() {
		if err := a.s.Conceal(name, value); err != nil {
			return err
		}
	}
	if a.login.credentials, err = registry.ECRLogin(ctx, access.Config()); err != nil {
		return err
	}
	return a.s.Conceal("the login to "+a.login.host, a.login.credentials.Password)
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
