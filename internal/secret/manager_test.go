package secret_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/secret"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// surroundings are those of a server that finds AWS at that address, and nothing of this machine's own.
func surroundings(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "key-of-the-server",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"), "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
}

func parse(t *testing.T, setting string) pipeline.SecretSource {
	t.Helper()
	source, err := secret.Parse(t.Context(), setting)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// motoClient manages the secrets that the tests look up.
func motoClient(t *testing.T) *secretsmanager.Client {
	t.Helper()
	settings, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return secretsmanager.NewFromConfig(settings)
}

// TestSecretsManager is the suite against moto, which answers as AWS does.
func TestSecretsManager(t *testing.T) {
	surroundings(t, stagetest.AWS(t))
	client := motoClient(t)
	opened := 0
	testSource(t, 1<<16, func(t *testing.T, values map[string]string) pipeline.SecretSource {
		t.Helper()
		opened++
		prefix := fmt.Sprintf("slipway/test-%d", opened)
		for place, value := range values {
			_, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(prefix + "/" + place), SecretString: aws.String(value)})
			if err != nil {
				t.Fatal(err)
			}
		}
		return parse(t, "aws-secretsmanager:"+prefix+"/")
	})
}

// TestSecretsManagerAlone is what only AWS has: binary values, prefixes beside ours, secrets that are being deleted.
func TestSecretsManagerAlone(t *testing.T) {
	surroundings(t, stagetest.AWS(t))
	client := motoClient(t)
	create := func(name, text string, binary []byte) {
		t.Helper()
		in := &secretsmanager.CreateSecretInput{Name: aws.String(name), SecretBinary: binary}
		if binary == nil {
			in.SecretString = aws.String(text)
		}
		if _, err := client.CreateSecret(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	create("team/acme/shop/BINARY", "", []byte("kubeconfig\n"))
	create("acme/shop/ROOT", "beside every prefix", nil)
	create("team-b/acme/shop/NEIGHBOUR", "of a longer prefix", nil)
	create("team/acme/shop/DELETED", "deleted", nil)
	create("team/acme/DELETED", "of the owner", nil)
	if _, err := client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("team/acme/shop/DELETED")}); err != nil {
		t.Fatal(err)
	}
	source := parse(t, "aws-secretsmanager:team")
	if got, err := source.Secret(t.Context(), shop, "", "BINARY"); err != nil || got != "kubeconfig" {
		t.Errorf("binary: %q %v", got, err)
	}
	for _, name := range []string{"ROOT", "NEIGHBOUR"} {
		if got, err := source.Secret(t.Context(), shop, "", name); !errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	got, err := source.Secret(t.Context(), shop, "", "DELETED")
	if err == nil || !strings.Contains(err.Error(), "team/acme/shop/DELETED: it is marked for deletion") || got != "" {
		t.Errorf("a secret that is being deleted: %q %v", got, err)
	}
	// Spaces are in no name of AWS: such an environment has no secret of its own.
	create("team/acme/shop/X", "of the repository", nil)
	if got, err := source.Secret(t.Context(), shop, "with space", "X"); err != nil || got != "of the repository" {
		t.Errorf("an environment that AWS has no name for: %q %v", got, err)
	}
}

// TestSecretsManagerRefuses: every other answer than "there is none" refuses, names the place and what to do, and is asked
// for again the next time.
func TestSecretsManagerRefuses(t *testing.T) {
	const account = "arn:aws:iam::123456789012:role/slipway"
	for name, test := range map[string]struct {
		status  int
		code    string
		says    string
		passing bool
	}{
		"denied":      {400, "AccessDeniedException", "allow secretsmanager:GetSecretValue", false},
		"key":         {400, "DecryptionFailure", "kms:Decrypt", false},
		"deleted":     {400, "InvalidRequestException", "marked for deletion", false},
		"credentials": {400, "UnrecognizedClientException", "does not accept the server's credentials", false},
		"expired":     {400, "ExpiredTokenException", "does not accept the server's credentials", false},
		"busy":        {400, "ThrottlingException", "asked too often", true},
		"broken":      {500, "InternalServiceError", "failure of its own", true},
		"strange":     {400, "SomethingNew", "AWS refuses (SomethingNew)", false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("X-Amzn-Errortype", test.code)
				w.WriteHeader(test.status)
				fmt.Fprintf(w, `{"__type":%q,"message":"User %s is not allowed"}`, test.code, account)
			}))
			defer server.Close()
			surroundings(t, server.URL)
			source := parse(t, "aws-secretsmanager:slipway")
			for n := int32(1); n <= 2; n++ {
				got, err := source.Secret(t.Context(), shop, "production", "KEY")
				var refused *secret.ManagerError
				if !errors.As(err, &refused) || got != "" || errors.Is(err, pipeline.ErrNotFound) {
					t.Fatalf("%q %v", got, err)
				}
				if text := err.Error(); !strings.Contains(text, "slipway/acme/shop/production/KEY") || !strings.Contains(text, test.says) ||
					strings.Contains(text, "123456789012") {
					t.Errorf("it says %s", text)
				}
				if refused.Temporary() != test.passing {
					t.Errorf("to ask again may help: %t", refused.Temporary())
				}
				if asked.Load() != n {
					t.Errorf("AWS was asked %d times in %d lookups: a place that is not told must end the search", asked.Load(), n)
				}
			}
		})
	}
}

func TestSecretsManagerAway(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	surroundings(t, server.URL)
	wantAway := func(says string) {
		t.Helper()
		_, err := parse(t, "aws-secretsmanager:slipway").Secret(t.Context(), shop, "", "KEY")
		var away *secret.ManagerError
		if !errors.As(err, &away) || !away.Temporary() || !strings.Contains(err.Error(), says) {
			t.Errorf("%v", err)
		}
	}
	wantAway("cannot be reached")
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	wantAway("the server has no AWS credentials")
}

func TestSecretsManagerWarnings(t *testing.T) {
	surroundings(t, "http://127.0.0.1:1")
	warnings := func() []string {
		t.Helper()
		manager, err := secret.SecretsManager(t.Context(), "slipway")
		if err != nil {
			t.Fatal(err)
		}
		got, err := manager.Warnings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := warnings(); got != nil {
		t.Errorf("with keys: %q", got)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if got := warnings(); len(got) != 1 || !strings.Contains(got[0], "no AWS credentials") {
		t.Errorf("without keys: %q", got)
	}
}
