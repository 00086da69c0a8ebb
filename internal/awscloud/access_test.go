package awscloud

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func TestRequestOf(t *testing.T) {
	secrets := func(name string) (string, bool) {
		value, found := map[string]string{keyID: "AKIAEXAMPLE", secretKey: "secret-of-the-key"}[name]
		return value, found
	}
	none := func(string) (string, bool) { return "", false }
	environment := func(role, plan string) *pipeline.EnvironmentDefinition {
		return &pipeline.EnvironmentDefinition{Name: "production", AWS: &pipeline.AWSDefinition{Region: "eu-west-1", Role: role, PlanRole: plan}}
	}
	task := func(steps pipeline.Steps, env *pipeline.EnvironmentDefinition, variables map[string]string) pipeline.Task {
		return pipeline.Task{
			RunNumber: 12, Environment: env, Trigger: pipeline.Trigger{Repository: pipeline.Repository{Owner: "acme", Name: "shop"}},
			Stage: pipeline.StageSpec{Steps: steps, Environment: "production", Env: variables},
		}
	}
	for name, test := range map[string]struct {
		task         pipeline.Task
		secret       func(string) (string, bool)
		role, region string
		empty        bool
	}{
		"nothing":                        {task: task("", nil, nil), secret: none, empty: true},
		"keys":                           {task: task("", nil, map[string]string{region: "us-west-2"}), secret: secrets, region: "us-west-2"},
		"a role alone":                   {task: task(pipeline.PrepareThenApply, environment("role", "plan"), nil), secret: none, role: "role", region: "eu-west-1"},
		"a pull request":                 {task: task(pipeline.PrepareOnly, environment("role", "plan"), nil), secret: secrets, role: "plan", region: "eu-west-1"},
		"a pull request, no role for it": {task: task(pipeline.PrepareOnly, environment("role", ""), nil), secret: secrets, role: "role", region: "eu-west-1"},
		"the region of the cluster": {
			task: task("", &pipeline.EnvironmentDefinition{Cluster: &pipeline.ClusterDefinition{EKS: &pipeline.EKSCluster{Name: "c", Region: "eu-central-1"}}},
				map[string]string{regionToo: "us-west-2"}), secret: secrets, region: "eu-central-1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := RequestOf(test.task, test.secret)
			if r.Role != test.role || r.Region != test.region || r.Empty() != test.empty {
				t.Errorf("request = %+v", r)
			}
			if r.Tags != (Tags{Repository: "acme/shop", Environment: "production", Run: 12}) {
				t.Errorf("tags = %+v", r.Tags)
			}
		})
	}
}

func TestSessionName(t *testing.T) {
	for repository, want := range map[string]string{
		"acme/shop": "slipway-acme-shop-run12",
		"a b/ü":     "slipway-a-b---run12",
		strings.Repeat("a", 39) + "/" + strings.Repeat("b", 90): "slipway-" + strings.Repeat("a", 39) + "-" + strings.Repeat("b", 10) + "-run12",
	} {
		if got := sessionName(Tags{Repository: repository, Run: 12}); got != want || len(got) > 64 {
			t.Errorf("%s: %s, want %s", repository, got, want)
		}
	}
}

// problem is the *Problem of an error, or the end of the test.
func problem(t *testing.T, err error) *Problem {
	t.Helper()
	p, ok := errors.AsType[*Problem](err)
	if !ok {
		t.Fatalf("error = %v, want a problem", err)
	}
	return p
}

func TestWithoutCredentials(t *testing.T) {
	for _, r := range []Request{{}, {AccessKeyID: "AKIAEXAMPLE"}, {SecretAccessKey: "secret"}} {
		_, err := Open(t.Context(), r)
		if p := problem(t, err); !strings.Contains(p.Cause, "no valid credential sources") {
			t.Errorf("%+v: %v", r, p)
		}
	}
}

func keys(server string, t *testing.T) Request {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", server)
	return Request{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", Region: "eu-west-1"}
}

func open(t *testing.T, r Request) *Access {
	t.Helper()
	a, err := Open(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestKeys(t *testing.T) {
	a := open(t, keys(stagetest.AWS(t), t))
	who, err := a.Identity(t.Context())
	if err != nil || who.Account != "123456789012" || !strings.HasPrefix(who.ARN, "arn:aws:") {
		t.Errorf("identity = %+v, %v", who, err)
	}
	if want := []string{
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"AWS_REGION=eu-west-1", "AWS_DEFAULT_REGION=eu-west-1",
	}; !slices.Equal(a.Env(), want) {
		t.Errorf("env = %q", a.Env())
	}
	if len(a.Secrets()) != 0 {
		t.Error("secrets of the task are told as new ones")
	}
}

func TestRole(t *testing.T) {
	r := keys(stagetest.AWS(t), t)
	r.Role, r.Tags = "arn:aws:iam::123456789012:role/deployer", Tags{Repository: "acme/shop", Environment: "production", Run: 12}
	a := open(t, r)
	who, err := a.Identity(t.Context())
	if err != nil || who.ARN != "arn:aws:sts::123456789012:assumed-role/deployer/slipway-acme-shop-run12" {
		t.Errorf("identity = %+v, %v", who, err)
	}
	secrets := a.Secrets()
	if len(secrets) != 2 {
		t.Errorf("%d secrets", len(secrets))
	}
	env := strings.Join(a.Env(), "\n")
	if strings.Contains(env, r.SecretAccessKey) {
		t.Error("the long-lived key is handed on")
	}
	for name, value := range secrets {
		if value == "" || !strings.Contains(env, value) {
			t.Errorf("%s is not in the environment", name)
		}
	}
}

// refusing answers as STS does when it says no. (moto puts its refusals into a form that STS does not use.)
func refusing(t *testing.T, status int, code, message string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>`+
			`<Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRefusals(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/deployer"
	for _, test := range []struct {
		code, message, role string
		title, cause        string
	}{
		{
			code: "InvalidClientTokenId", message: "The security token included in the request is invalid.",
			title: "AWS does not know the access key", cause: "the access key is not valid",
		},
		{
			code: "SignatureDoesNotMatch", message: "The request signature we calculated does not match the signature you provided.",
			title: "The AWS secret key is wrong", cause: "the secret key does not belong to the access key",
		},
		{
			code: "ExpiredToken", message: "The security token included in the request is expired",
			title: "The AWS credentials have expired", cause: "the security token has expired",
		},
		{
			code: "AccessDenied", message: "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:AssumeRole on resource: " + role,
			role: role, title: "The role cannot be assumed", cause: "must allow sts:AssumeRole and sts:TagSession",
		},
		{
			code: "ValidationError", message: "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
			role: role, title: "AWS refused to assume the role " + role, cause: "exceeds the MaxSessionDuration",
		},
	} {
		t.Run(test.code, func(t *testing.T) {
			r := keys(refusing(t, http.StatusForbidden, test.code, test.message), t)
			r.Role = test.role
			a, err := Open(t.Context(), r)
			if err == nil {
				_, err = a.Identity(t.Context())
			}
			if p := problem(t, err); p.Title != test.title || !strings.Contains(p.Cause, test.cause) || p.Unreachable {
				t.Error(p)
			}
			if strings.Contains(err.Error(), r.SecretAccessKey) {
				t.Error("the key is in the error")
			}
		})
	}
	r := keys(refusing(t, http.StatusServiceUnavailable, "ServiceUnavailable", "try later"), t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	_, err := open(t, r).Identity(t.Context())
	if p := problem(t, err); !p.Unreachable {
		t.Error(p)
	}
}

func TestUnreachable(t *testing.T) {
	a := open(t, keys("http://127.0.0.1:1", t))
	_, err := a.Identity(t.Context())
	if p := problem(t, err); !p.Unreachable || !strings.Contains(p.Cause, "connection refused") {
		t.Error(p)
	}
}

func TestStateOfTerraform(t *testing.T) {
	server := stagetest.AWS(t)
	a := open(t, keys(server, t))
	bucket := Bucket{Name: "acme-state", Region: "us-east-1", Endpoint: server}
	if p := problem(t, a.CheckBucket(t.Context(), bucket)); p.Title != "The bucket acme-state does not exist" {
		t.Error(p)
	}
	if _, err := a.S3(bucket).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: ptr("acme-state")}); err != nil {
		t.Fatal(err)
	}
	if err := a.CheckBucket(t.Context(), bucket); err != nil {
		t.Error(err)
	}
	bucket.Endpoint = "" // AWS_ENDPOINT_URL
	if err := a.CheckBucket(t.Context(), bucket); err != nil {
		t.Error(err)
	}
	table := Table{Name: "locks", Region: "us-east-1"}
	if p := problem(t, a.CheckTable(t.Context(), table)); p.Title != "The table locks does not exist" {
		t.Error(p)
	}
	_, err := a.DynamoDB(table).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: ptr("locks"), BillingMode: dynamotypes.BillingModePayPerRequest,
		AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: ptr("LockID"), AttributeType: dynamotypes.ScalarAttributeTypeS}},
		KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: ptr("LockID"), KeyType: dynamotypes.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.CheckTable(t.Context(), table); err != nil {
		t.Error(err)
	}
	stagetest.RequireAuth(t, server)
	if p := problem(t, a.CheckBucket(t.Context(), bucket)); p.Title != "The bucket acme-state may not be used" {
		t.Error(p)
	}
}

func TestExplainOther(t *testing.T) {
	if err := Explain(nil, "x"); err != nil {
		t.Error(err)
	}
	own := errors.New("disk full")
	if err := Explain(own, "read the cluster"); !errors.Is(err, own) || err.Error() != "read the cluster: disk full" {
		t.Error(err)
	}
}
