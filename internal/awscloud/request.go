package awscloud

import (
	"cmp"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// The secrets that hold keys, and the variables that tools read.
const (
	keyID        = "AWS_ACCESS_KEY_ID"
	secretKey    = "AWS_SECRET_ACCESS_KEY" //nolint:gosec // the name of a variable
	sessionToken = "AWS_SESSION_TOKEN"     //nolint:gosec // the name of a variable
	region       = "AWS_REGION"
	regionToo    = "AWS_DEFAULT_REGION"
	endpoint     = "AWS_ENDPOINT_URL"
)

// Request is whose credentials a stage uses, and where.
type Request struct {
	// AccessKeyID, SecretAccessKey and SessionToken come from secrets; empty: there are none.
	AccessKeyID, SecretAccessKey, SessionToken string
	Region                                     string
	// Role is the ARN of a role to assume; empty: the keys are used as they are.
	Role string
	// Endpoints are other servers than AWS's own, as the stage's variables name them.
	Endpoints Endpoints
	// Tags go with the role's credentials, so that its trust policy can tell repositories and environments apart.
	Tags Tags
	// Duration of the role's credentials; 0: an hour, which is what a role allows unless told otherwise.
	Duration time.Duration
}

// Tags are the session tags of an assumed role.
type Tags struct {
	Repository  string
	Environment string
	Run         int64
}

// Endpoints are the addresses of servers that speak AWS's protocols; empty: what the machine's own variables say, else AWS.
type Endpoints struct{ All, STS, S3, DynamoDB string }

// endpointsOf reads the variables by which every client of AWS is told of another server.
func endpointsOf(env map[string]string) Endpoints {
	return Endpoints{
		All: env[endpoint], STS: env[endpoint+"_STS"], S3: env[endpoint+"_S3"], DynamoDB: env[endpoint+"_DYNAMODB"],
	}
}

// RequestOf reads from a task what its stage may use. secret is Session.Secret.
func RequestOf(task pipeline.Task, secret func(name string) (string, bool)) Request {
	r := Request{
		Region:    cmp.Or(task.Stage.Env[region], task.Stage.Env[regionToo]),
		Endpoints: endpointsOf(task.Stage.Env),
		Tags:      Tags{Repository: task.Trigger.Repository.FullName(), Environment: task.Stage.Environment, Run: task.RunNumber},
	}
	r.AccessKeyID, _ = secret(keyID)
	r.SecretAccessKey, _ = secret(secretKey)
	r.SessionToken, _ = secret(sessionToken)
	env := task.Environment
	if env == nil {
		return r
	}
	if env.Cluster != nil && env.Cluster.EKS != nil {
		r.Region = cmp.Or(env.Cluster.EKS.Region, r.Region)
	}
	if env.AWS != nil {
		r.Region, r.Role = cmp.Or(env.AWS.Region, r.Region), env.AWS.Role
		// What only a pull request proposes is looked at with the lesser role, where there is one.
		if task.Stage.Steps == pipeline.PrepareOnly {
			r.Role = cmp.Or(env.AWS.PlanRole, env.AWS.Role)
		}
	}
	return r
}

// Empty reports whether the stage has nothing of AWS.
func (r Request) Empty() bool { return !r.keys() && r.Role == "" }

func (r Request) keys() bool { return r.AccessKeyID != "" && r.SecretAccessKey != "" }
