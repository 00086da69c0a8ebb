package cluster

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

type answerFunc func(*http.Request) (*http.Response, error)

func (f answerFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func account(endpoint string) aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: &endpoint,
		Credentials: credentials.StaticCredentialsProvider{Value: aws.Credentials{AccessKeyID: "AKIATEST", SecretAccessKey: "hunter22"}},
	}
}

func TestEKS(t *testing.T) {
	cfg := account(stagetest.AWS(t))
	_, err := eks.NewFromConfig(cfg).CreateCluster(t.Context(), &eks.CreateClusterInput{
		Name: aws.String("shop"), RoleArn: aws.String("arn:aws:iam::123456789012:role/eks"), ResourcesVpcConfig: &types.VpcConfigRequest{},
	})
	if err != nil {
		t.Fatal(err)
	}
	var concealed []string
	config, err := EKS(t.Context(), cfg, "shop", func(token string) error { concealed = append(concealed, token); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(config.Host, "https://") || len(config.CAData) == 0 || config.BearerToken != "" || config.ExecProvider != nil {
		t.Errorf("%+v", config)
	}
	var header string
	way := config.WrapTransport(answerFunc(func(r *http.Request) (*http.Response, error) {
		header = r.Header.Get("Authorization")
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	}))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+"/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := way.RoundTrip(request); err != nil {
		t.Fatal(err)
	}
	token, is := strings.CutPrefix(header, "Bearer k8s-aws-v1.")
	if !is || len(concealed) != 1 || concealed[0] != "k8s-aws-v1."+token || request.Header.Get("Authorization") != "" {
		t.Fatalf("%s, %d concealed", header, len(concealed))
	}
	// It is a signed request to STS that names the cluster, as `aws eks get-token` makes it.
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := url.Parse(string(decoded))
	if err != nil {
		t.Fatal(err)
	}
	query := signed.Query()
	if query.Get("Action") != "GetCallerIdentity" || query.Get("X-Amz-Expires") != "60" || !slices.Contains(strings.Split(query.Get("X-Amz-SignedHeaders"), ";"), "x-k8s-aws-id") {
		t.Error(query)
	}
	if strings.Contains(string(decoded), "hunter22") {
		t.Error("the token holds the key")
	}

	var p *Problem
	if _, err := EKS(t.Context(), cfg, "shoop", nil); !errors.As(err, &p) || !strings.Contains(p.Cause, "has no EKS cluster shoop") {
		t.Error(err)
	}
}

func TestTokensAreMadeAnewBeforeTheyEnd(t *testing.T) {
	cfg := account("https://sts.example")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	made := 0
	tokens := &eksTokens{signer: sts.NewPresignClient(sts.NewFromConfig(cfg)), cluster: "shop", conceal: func(string) error { made++; return nil }, now: func() time.Time { return now }}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {11 * time.Minute, 1}, {2 * time.Minute, 2}, {time.Minute, 2}} {
		now = now.Add(step.after)
		if _, err := tokens.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if made != step.want {
			t.Errorf("%d tokens after %s", made, step.after)
		}
	}
}

func TestEKSWithoutCredentials(t *testing.T) {
	env := &pipeline.EnvironmentDefinition{Name: "test", Cluster: &pipeline.ClusterDefinition{EKS: &pipeline.EKSCluster{Name: "shop", Region: "eu-central-1"}}}
	var p *Problem
	if _, err := Open(t.Context(), session(t, env, nil)); !errors.As(err, &p) {
		t.Errorf("%v", err)
	} else {
		t.Log(p.Title, p.Cause)
	}
}
