package secret

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Manager is AWS Secrets Manager: a secret is PREFIX/owner/repository/environment/NAME, then PREFIX/owner/repository/NAME,
// then PREFIX/owner/NAME. Values are kept in memory for some seconds, so that the stages of a run ask once.
type Manager struct {
	client      client
	credentials aws.CredentialsProvider
	prefix      string
	known       *cache
}

// client is what is needed of AWS.
type client interface {
	GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, options ...func(*secretsmanager.Options)) (
		*secretsmanager.GetSecretValueOutput, error)
}

// managerName is what AWS admits in the name of a secret. Outside of it no secret can be.
var managerName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@-]{1,512}$`)

const (
	// patience bounds one answer of AWS, its client's own repeats included.
	patience = 20 * time.Second
	// maxPrefix leaves room for what comes after it.
	maxPrefix = 200
)

// SecretsManager returns the source of the secrets below a prefix. Region, endpoint and credentials are those of this
// process's own surroundings: the variables AWS_…, a profile, the role of the machine or pod.
func SecretsManager(ctx context.Context, prefix string) (*Manager, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return nil, errors.New("aws-secretsmanager: needs a prefix, as in aws-secretsmanager:slipway: " +
			"without one every secret of the account could be asked for")
	}
	if !managerName.MatchString(prefix) || len(prefix) > maxPrefix || strings.Contains(prefix, "//") {
		return nil, fmt.Errorf("aws-secretsmanager: %q cannot begin the name of a secret in AWS: letters, digits and /_+=.@-, at most %d", prefix, maxPrefix)
	}
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("aws-secretsmanager: settings of AWS: %w", err)
	}
	if settings.Region == "" {
		return nil, errors.New("aws-secretsmanager: no region is set: set AWS_REGION for the server, or a region in its AWS profile")
	}
	return &Manager{
		client: secretsmanager.NewFromConfig(settings), credentials: settings.Credentials, prefix: prefix, known: newCache(time.Now),
	}, nil
}

// Secret returns pipeline.ErrNotFound where nobody has set it, and *ManagerError where AWS does not tell.
func (m *Manager) Secret(ctx context.Context, repository pipeline.Repository, environment, name string) (string, error) {
	return find(repository, environment, name, func(place string) (string, error) { return m.read(ctx, m.prefix+"/"+place) })
}

// read asks AWS for one secret by its whole name, unless the answer is known.
func (m *Manager) read(ctx context.Context, id string) (string, error) {
	if !managerName.MatchString(id) {
		return "", pipeline.ErrNotFound
	}
	if answer, ok := m.known.get(id); ok {
		return answer.value, answer.err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	// The client would ask for them, too. Its error does not tell whether they or the secret could not be had.
	if _, err := m.credentials.Retrieve(ctx); err != nil {
		return "", withoutCredentials(id, err)
	}
	out, err := m.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(id)})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		m.known.put(id, answer{err: pipeline.ErrNotFound})
		return "", pipeline.ErrNotFound
	}
	if err != nil {
		return "", explain(id, err)
	}
	content := out.SecretBinary
	if out.SecretString != nil {
		content = []byte(*out.SecretString)
	}
	value, err := usable(path.Base(id), content)
	m.known.put(id, answer{value, err})
	return value, err
}

// Warnings tells whether credentials can be had, for the log at start and for doctor.
func (m *Manager) Warnings(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := m.credentials.Retrieve(ctx); err != nil {
		return []string{"no AWS credentials can be had, so no stage has a secret: " + noCredentials}, nil
	}
	return nil, nil
}
