package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"k8s.io/client-go/rest"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

const (
	// A token is a signed request that the cluster sends on to AWS. The cluster takes it for 15 minutes.
	tokenLife    = 15 * time.Minute
	tokenRenewal = 3 * time.Minute // before its end
	tokenPrefix  = "k8s-aws-v1."   //nolint:gosec // how every token begins
	clusterID    = "x-k8s-aws-id"
	// signedFor is how long AWS takes the signature within, in seconds.
	signedFor = "60"
)

// eksTarget finds an EKS cluster, with the keys and the role of the stage.
func eksTarget(ctx context.Context, s Session, cluster pipeline.EKSCluster) (*rest.Config, *Access, error) {
	request := awscloud.RequestOf(s.Task(), s.Secret)
	request.Region = cluster.Region // the account's other things may be elsewhere
	account, err := awscloud.Open(ctx, request)
	if err != nil {
		return nil, nil, ofAWS(err)
	}
	for name, value := range account.Secrets() {
		if err := s.Conceal(name, value); err != nil {
			return nil, nil, fmt.Errorf("mask the credentials of AWS: %w", err)
		}
	}
	config, err := EKS(ctx, account.Config(), cluster.Name, func(token string) error { return s.Conceal("the token of the cluster", token) })
	if err != nil {
		return nil, nil, err
	}
	return config, &Access{Name: "EKS cluster " + cluster.Name, Namespace: "default"}, nil
}

// ofAWS takes over what awscloud found out.
func ofAWS(err error) error {
	if known, ok := errors.AsType[*awscloud.Problem](err); ok {
		return &Problem{Title: known.Title, Cause: known.Cause, Err: err}
	}
	return err
}

// EKS makes a connection to an EKS cluster. Its tokens are made anew before they end; each is given to conceal first.
func EKS(ctx context.Context, cfg aws.Config, name string, conceal func(token string) error) (*rest.Config, error) {
	answer, err := eks.NewFromConfig(cfg).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return nil, &Problem{
			Title: "There is no EKS cluster " + name,
			Cause: fmt.Sprintf("The region %s of this account has no EKS cluster %s: check `name` and `region` of the environment's cluster, and that the keys are of the right account.", cfg.Region, name),
			Err:   err,
		}
	}
	if err != nil {
		return nil, ofAWS(awscloud.Explain(err, "describe the EKS cluster "+name))
	}
	found := answer.Cluster
	if found == nil || found.Endpoint == nil || found.CertificateAuthority == nil || found.CertificateAuthority.Data == nil {
		state := "UNKNOWN"
		if found != nil {
			state = string(found.Status)
		}
		return nil, &Problem{
			Title: "The EKS cluster " + name + " is not ready", Unreachable: true,
			Cause: fmt.Sprintf("The EKS cluster %s has no address yet (status %s).", name, state),
		}
	}
	authority, err := base64.StdEncoding.DecodeString(*found.CertificateAuthority.Data)
	if err != nil {
		return nil, fmt.Errorf("certificate authority of the EKS cluster %s: %w", name, err)
	}
	tokens := &eksTokens{signer: sts.NewPresignClient(sts.NewFromConfig(cfg)), cluster: name, conceal: conceal, now: time.Now}
	config := &rest.Config{Host: *found.Endpoint, TLSClientConfig: rest.TLSClientConfig{CAData: authority}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &bearer{next: next, tokens: tokens} })
	return config, nil
}

// eksTokens makes tokens and keeps the last as long as it is good.
type eksTokens struct {
	signer  *sts.PresignClient
	cluster string
	conceal func(string) error
	now     func() time.Time

	mu    sync.Mutex
	token string
	until time.Time
}

// Token is one that is good for some minutes.
func (t *eksTokens) Token(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := t.now(); t.token != "" && now.Before(t.until) {
		return t.token, nil
	}
	made := t.now()
	signed, err := t.signer.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, sts.WithAPIOptions(
			smithyhttp.SetHeaderValue(clusterID, t.cluster), smithyhttp.SetHeaderValue("X-Amz-Expires", signedFor),
		))
	})
	if err != nil {
		return "", ofAWS(awscloud.Explain(err, "sign the token of the EKS cluster "+t.cluster))
	}
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(signed.URL))
	if err := t.conceal(token); err != nil {
		return "", fmt.Errorf("mask the token of the cluster: %w", err)
	}
	t.token, t.until = token, made.Add(tokenLife-tokenRenewal)
	return token, nil
}

// bearer puts the token of the moment into every request.
type bearer struct {
	next   http.RoundTripper
	tokens *eksTokens
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.tokens.Token(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}
