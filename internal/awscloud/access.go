package awscloud

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

const (
	// askFor bounds one question to AWS, its repetitions included.
	askFor = 30 * time.Second
	// roleFor is the longest that a role lends its credentials unless its administrator said otherwise.
	roleFor = time.Hour
	// defaultRegion is where STS is asked when nobody names a region.
	defaultRegion = "us-east-1"
)

// Access are credentials of one run.
type Access struct {
	config    aws.Config
	keys      aws.Credentials
	region    string
	assumed   bool
	endpoints Endpoints
}

// Identity is who AWS takes the credentials for.
type Identity struct{ Account, ARN string }

// Open makes the credentials of a request: the keys as they are or, with a role, those it lends. Without keys the machine's
// own identity assumes the role; for nothing else is that identity used. The error is a *Problem where AWS refuses.
func Open(ctx context.Context, r Request) (*Access, error) {
	if r.Empty() {
		return nil, noCredentials(r)
	}
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	options := []func(*config.LoadOptions) error{
		// Files of the machine's user are not the stage's.
		config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}),
		config.WithRegion(orDefault(r.Region)),
	}
	keys := aws.Credentials{AccessKeyID: r.AccessKeyID, SecretAccessKey: r.SecretAccessKey, SessionToken: r.SessionToken}
	if r.keys() {
		options = append(options, config.WithCredentialsProvider(credentials.StaticCredentialsProvider{Value: keys}))
	}
	if !r.keys() {
		// The machine's own identity speaks to whom the operator names, and not to whom a commit does.
		r.Endpoints.STS = ""
	} else if r.Endpoints.All != "" {
		options = append(options, config.WithBaseEndpoint(r.Endpoints.All))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("settings of the AWS client: %w", err)
	}
	if r.Role == "" {
		return &Access{config: loaded, keys: keys, region: r.Region, endpoints: r.Endpoints}, nil
	}
	keys, err = assume(ctx, loaded, r)
	if err != nil {
		return nil, err
	}
	loaded.Credentials = credentials.StaticCredentialsProvider{Value: keys}
	if r.Endpoints.All != "" {
		loaded.BaseEndpoint = &r.Endpoints.All // what the role lent is the stage's
	}
	return &Access{config: loaded, keys: keys, region: r.Region, assumed: true, endpoints: r.Endpoints}, nil
}

// newSTS is a client of STS, at another server where one is named.
func newSTS(c aws.Config, at string) *sts.Client {
	return sts.NewFromConfig(c, func(o *sts.Options) {
		if at != "" {
			o.BaseEndpoint = &at
		}
	})
}

func orDefault(region string) string {
	if region == "" {
		return defaultRegion
	}
	return region
}

func assume(ctx context.Context, from aws.Config, r Request) (aws.Credentials, error) {
	duration := r.Duration
	if duration <= 0 {
		duration = roleFor
	}
	out, err := newSTS(from, r.Endpoints.STS).AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: &r.Role, RoleSessionName: aws.String(sessionName(r.Tags)), DurationSeconds: aws.Int32(int32(duration.Seconds())),
		Tags: sessionTags(r.Tags),
	})
	if err != nil {
		return aws.Credentials{}, explainAssume(err, r)
	}
	if out.Credentials == nil {
		return aws.Credentials{}, fmt.Errorf("assume the role %s: %w", r.Role, errors.New("AWS answered without credentials"))
	}
	return aws.Credentials{
		AccessKeyID: aws.ToString(out.Credentials.AccessKeyId), SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken: aws.ToString(out.Credentials.SessionToken),
	}, nil
}

// unfit are characters that neither a session's name nor a tag may hold.
var unfit = regexp.MustCompile(`[^\w+=,.@-]`)

// sessionName is what CloudTrail shows: slipway-acme-shop-run12.
func sessionName(t Tags) string {
	const longest = 64
	end := "-run" + strconv.FormatInt(t.Run, 10)
	name := unfit.ReplaceAllString("slipway-"+t.Repository, "-")
	return name[:min(len(name), longest-len(end))] + end
}

func sessionTags(t Tags) []types.Tag {
	tags := []types.Tag{
		{Key: aws.String("repository"), Value: aws.String(t.Repository)},
		{Key: aws.String("run"), Value: aws.String(strconv.FormatInt(t.Run, 10))},
	}
	if t.Environment != "" {
		tags = append(tags, types.Tag{Key: aws.String("environment"), Value: aws.String(t.Environment)})
	}
	return tags
}

// Config is for any client of AWS.
func (a *Access) Config() aws.Config { return a.config.Copy() }

// Env are the variables that tools read: for one command, never for a whole stage.
func (a *Access) Env() []string {
	env := []string{keyID + "=" + a.keys.AccessKeyID, secretKey + "=" + a.keys.SecretAccessKey}
	if a.keys.SessionToken != "" {
		env = append(env, sessionToken+"="+a.keys.SessionToken)
	}
	if a.region != "" {
		env = append(env, region+"="+a.region, regionToo+"="+a.region)
	}
	return env
}

// Secrets are values that must be masked and are no secrets of the task, by name: Session.Conceal takes them.
func (a *Access) Secrets() map[string]string {
	if !a.assumed {
		return nil
	}
	return map[string]string{
		"the secret key of the assumed role": a.keys.SecretAccessKey, "the session token of the assumed role": a.keys.SessionToken,
	}
}

// Identity asks AWS whom it takes the credentials for: whatever else they may do, this they may.
func (a *Access) Identity(ctx context.Context) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	out, err := newSTS(a.config, a.endpoints.STS).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return Identity{}, Explain(err, "tell who the stage is")
	}
	return Identity{Account: aws.ToString(out.Account), ARN: strings.TrimSpace(aws.ToString(out.Arn))}, nil
}
