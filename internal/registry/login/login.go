// Package login finds out who a stage is in a registry: by the user and password among its secrets, or, in Amazon's
// registry, by its AWS credentials.
package login

import (
	"context"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
)

// The secrets that log in.
const (
	User     = "DOCKER_USERNAME"
	Password = "DOCKER_PASSWORD"
)

// Session is what of a stage's session is needed.
type Session interface {
	Task() pipeline.Task
	Secret(name string) (string, bool)
	Conceal(name, value string) error
}

// For is the login to a host; the zero value is nobody. An error for people is a *registry.Problem or *awscloud.Problem.
func For(ctx context.Context, s Session, host string) (registry.Credentials, error) {
	user, hasUser := s.Secret(User)
	password, hasPassword := s.Secret(Password)
	region, isECR := registry.ECRRegion(host)
	switch {
	case isECR && !hasUser && !hasPassword:
		return ofAWS(ctx, s, host, region)
	case hasUser && hasPassword:
		return registry.Credentials{User: user, Password: password}, nil
	case hasUser:
		return registry.Credentials{}, half(User, Password, host)
	case hasPassword:
		return registry.Credentials{}, half(Password, User, host)
	}
	return registry.Credentials{}, nil
}

func half(set, missing, host string) error {
	return &registry.Problem{
		Title: "The secret " + missing + " is missing",
		Cause: "The secret " + set + " is set and " + missing + " is not: a login to " + host + " needs both.",
	}
}

// ofAWS exchanges the stage's AWS credentials; without any nobody is logged in, and the registry says what it thinks of
// that.
func ofAWS(ctx context.Context, s Session, host, region string) (registry.Credentials, error) {
	request := awscloud.RequestOf(s.Task(), s.Secret)
	if request.Empty() {
		return registry.Credentials{}, nil
	}
	request.Region = region
	access, err := awscloud.Open(ctx, request)
	if err != nil {
		return registry.Credentials{}, err
	}
	for name, value := range access.Secrets() {
		if err := s.Conceal(name, value); err != nil {
			return registry.Credentials{}, err
		}
	}
	credentials, err := registry.ECRLogin(ctx, access.Config())
	if err != nil {
		return registry.Credentials{}, err
	}
	return credentials, s.Conceal("the login to "+host, credentials.Password)
}
