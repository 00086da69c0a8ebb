// Package secret finds the secrets of stages: in a folder of the operator, or in AWS Secrets Manager.
package secret

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Parse reads the setting SLIPWAY_SECRETS: dir:PATH or aws-secretsmanager:PREFIX. Nobody is asked yet.
func Parse(ctx context.Context, setting string) (pipeline.SecretSource, error) {
	kind, value, _ := strings.Cut(setting, ":")
	switch {
	case kind == "dir" && value != "":
		folder, err := Dir(value)
		if err != nil {
			return nil, err
		}
		return folder, nil
	case kind == "dir":
		return nil, errors.New("dir: needs the path of a folder, as in dir:./secrets")
	case kind == "aws-secretsmanager":
		manager, err := SecretsManager(ctx, value)
		if err != nil {
			return nil, err
		}
		return manager, nil
	default:
		return nil, fmt.Errorf("%q is no source of secrets; use dir:PATH or aws-secretsmanager:PREFIX", kind)
	}
}

const (
	// MinLength is how long a value is at least: shorter ones cannot be masked in a log without spoiling it.
	MinLength = 4
	// maxLength bounds what is read: a kubeconfig is some kilobytes.
	maxLength = 1 << 20
)

// InvalidError is a secret that is there and cannot be used.
type InvalidError struct{ Name, Problem string }

func (e *InvalidError) Error() string { return "secret " + e.Name + " " + e.Problem }

var (
	// secretName is a name that is an environment variable.
	secretName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)
	// folderName is what GitHub admits for owners, repositories and environments, less what a path could be steered with.
	folderName = regexp.MustCompile(`^[A-Za-z0-9._ -]{1,255}$`)
)

// find looks a secret up as owner/repository/environment/NAME, then owner/repository/NAME, then owner/NAME. read gives the
// value of one place, or pipeline.ErrNotFound; any other error ends the search: what a nearer place says must not be
// overruled by a farther one because nobody could read it.
func find(repository pipeline.Repository, environment, name string, read func(place string) (string, error)) (string, error) {
	if !secretName.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a secret: letters, digits and underscores, not starting with a digit", name)
	}
	places, err := lookup(repository, environment)
	if err != nil {
		return "", err
	}
	for _, place := range places {
		value, err := read(path.Join(place, name))
		if !errors.Is(err, pipeline.ErrNotFound) {
			return value, err
		}
	}
	return "", fmt.Errorf("secret %s: %w", name, pipeline.ErrNotFound)
}

// lookup lists the folders, nearest first. No name holds a slash, so that a place of one environment, repository or owner
// can never be spelled as another's.
func lookup(repository pipeline.Repository, environment string) ([]string, error) {
	names := []string{repository.Owner, repository.Name}
	if environment != "" {
		names = append(names, environment)
	}
	for _, name := range names {
		if !folderName.MatchString(name) || name == "." || name == ".." {
			return nil, fmt.Errorf("%q cannot be a folder of secrets", name)
		}
	}
	var places []string
	for n := len(names); n > 0; n-- {
		places = append(places, path.Join(names[:n]...))
	}
	return places, nil
}

// usable makes a value of what is stored, or says why it is none.
func usable(name string, content []byte) (string, error) {
	value := dropNewline(string(content))
	switch {
	case len(content) > maxLength:
		return "", &InvalidError{name, "is larger than 1 MiB"}
	case strings.ContainsRune(value, 0):
		return "", &InvalidError{name, "holds a zero byte, which no environment variable can"}
	case len([]rune(value)) < MinLength:
		return "", &InvalidError{name, fmt.Sprintf("has fewer than %d characters; such a value cannot be masked in logs", MinLength)}
	}
	return value, nil
}

// dropNewline takes off the one newline editors and echo leave.
func dropNewline(value string) string {
	value, cut := strings.CutSuffix(value, "\n")
	if cut {
		value = strings.TrimSuffix(value, "\r")
	}
	return value
}
