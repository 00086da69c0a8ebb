package terraform

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/slipwayhq/slipway/internal/awscloud"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

const inBucket = `terraform {
  backend "s3" {
    bucket         = "acme-state"
    key            = "shop/terraform.tfstate"
    region         = "us-east-1"
    use_lockfile   = true
    use_path_style = true
  }
}
`

const secretOfKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

// bucketWorld keeps its state in S3, as a server answers it that behaves as AWS.
type bucketWorld struct {
	*world
	server string
	admin  *awscloud.Access
}

func newBucketWorld(t *testing.T, config string, buckets ...string) bucketWorld {
	t.Helper()
	w := bucketWorld{world: newWorld(t, map[string]string{"infra/main.tf": config, "infra/backend.tf": inBucket}), server: stagetest.AWS(t)}
	t.Setenv("AWS_ENDPOINT_URL", w.server)
	w.machine = []string{"AWS_ENDPOINT_URL=" + w.server, "AWS_EC2_METADATA_DISABLED=true"}
	w.secrets = map[string]string{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": secretOfKey}
	var err error
	w.admin, err = awscloud.Open(t.Context(), awscloud.Request{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: secretOfKey, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range buckets {
		if _, err := w.admin.S3(awscloud.Bucket{Name: bucket}).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w bucketWorld) put(t *testing.T, key, text string) {
	t.Helper()
	bucket := "acme-state"
	if _, err := w.admin.S3(awscloud.Bucket{Name: bucket}).PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: strings.NewReader(text),
	}); err != nil {
		t.Fatal(err)
	}
}

func (w bucketWorld) keys(t *testing.T) []string {
	t.Helper()
	bucket := "acme-state"
	out, err := w.admin.S3(awscloud.Bucket{Name: bucket}).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, object := range out.Contents {
		keys = append(keys, *object.Key)
	}
	return keys
}

const aThing = "resource \"terraform_data\" \"thing\" {\n  input = \"1\"\n}\n\noutput \"thing\" {\n  value = terraform_data.thing.output\n}\n"

func TestStateInS3(t *testing.T) {
	w := newBucketWorld(t, aThing, "acme-state")
	p := w.planned(t)
	if _, told := p.SectionTitled("Where the state is"); told {
		t.Error("a state in a bucket is said to be on this machine")
	}
	a := w.apply(t.Context(), t, p)
	wantVerdict(t, a, pipeline.StatusSuccess, "Applied: 1 added", "")
	if keys := w.keys(t); len(keys) != 1 || keys[0] != "shop/terraform.tfstate" {
		t.Errorf("the bucket holds %q", keys)
	}
	if text := told(t, p.Session) + told(t, a.Session); strings.Contains(text, secretOfKey) {
		t.Error("the key is told")
	}
	for _, command := range append(p.Recorded.Commands, a.Recorded.Commands...) {
		if strings.Contains(strings.Join(command, " "), secretOfKey) {
			t.Errorf("the key is an argument: %q", command)
		}
	}
	w.with = map[string]any{"workspace": "blue"}
	w.applied(t)
	if keys := strings.Join(w.keys(t), " "); keys != "env:/blue/shop/terraform.tfstate shop/terraform.tfstate" {
		t.Errorf("the bucket holds %q", keys)
	}
}

func TestBackendConfigOfTheStage(t *testing.T) {
	w := newBucketWorld(t, aThing, "acme-state")
	w.files["infra/backend.tf"] = "terraform {\n  backend \"s3\" {}\n}\n"
	w.with = map[string]any{"backend-config": map[string]any{
		"bucket": "acme-state", "key": "other.tfstate", "region": "us-east-1", "use_path_style": "true", "use_lockfile": "true",
	}}
	w.applied(t)
	if keys := w.keys(t); len(keys) != 1 || keys[0] != "other.tfstate" {
		t.Errorf("the bucket holds %q", keys)
	}
}

func TestAssumedRole(t *testing.T) {
	w := newBucketWorld(t, aThing, "acme-state")
	w.environment = &pipeline.EnvironmentDefinition{Name: "production", AWS: &pipeline.AWSDefinition{
		Region: "us-east-1", Role: "arn:aws:iam::123456789012:role/deployer", PlanRole: "arn:aws:iam::123456789012:role/planner",
	}}
	p := w.planned(t)
	if !strings.Contains(p.LogText(), "assumed-role/deployer/slipway-acme-shop-run7") {
		t.Errorf("the role is not assumed:\n%s", p.LogText())
	}
	w.steps = pipeline.PrepareOnly
	if log := w.planned(t).LogText(); !strings.Contains(log, "assumed-role/planner/") {
		t.Errorf("a pull request does not use the role for plans:\n%s", log)
	}
}

func TestTroubleWithAWS(t *testing.T) {
	t.Run("no credentials", func(t *testing.T) {
		w := newBucketWorld(t, aThing)
		w.secrets = nil
		p := w.prepare(t)
		wantVerdict(t, p, pipeline.StatusFailure, "No AWS credentials", "no valid credential sources")
		for _, command := range p.Recorded.Commands {
			if len(command) > 1 && command[1] != "version" {
				t.Errorf("Terraform was started: %q", command)
			}
		}
	})
	t.Run("no credentials for the provider", func(t *testing.T) {
		w := newWorld(t, map[string]string{"infra/main.tf": "terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\" }\n  }\n}\n"})
		wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "No AWS credentials", "no valid credential sources")
	})
	t.Run("no bucket", func(t *testing.T) {
		wantVerdict(t, newBucketWorld(t, aThing).prepare(t), pipeline.StatusFailure, "The bucket acme-state does not exist", "It is to hold the Terraform state")
	})
	t.Run("no table of locks", func(t *testing.T) {
		w := newBucketWorld(t, aThing, "acme-state")
		w.files["infra/backend.tf"] = strings.Replace(inBucket, "use_lockfile   = true", "dynamodb_table = \"locks\"", 1)
		wantVerdict(t, w.prepare(t), pipeline.StatusFailure, "The table locks does not exist", "")
	})
	t.Run("not reachable", func(t *testing.T) {
		w := newBucketWorld(t, aThing)
		t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
		p := w.prepare(t)
		wantVerdict(t, p, pipeline.StatusFailure, "AWS cannot be reached", "connection refused")
		if !p.verdict.Infrastructure {
			t.Error("an outage counts as the commit's fault")
		}
	})
}

// lockText is a lock as Terraform writes it.
const lockText = `{"ID":"2c13df43-cb99-3d7b-4dcb-41450f1743b8","Operation":"OperationTypeApply","Info":"","Who":"alice@laptop","Version":"1.11.4",` +
	`"Created":"2026-11-25T16:32:33.316879504Z","Path":"acme-state/shop/terraform.tfstate"}`

func TestLockOfSomebodyElse(t *testing.T) {
	const unlock = "-chdir=infra force-unlock 2c13df43-cb99-3d7b-4dcb-41450f1743b8"
	t.Run("in the bucket", func(t *testing.T) {
		w := newBucketWorld(t, aThing, "acme-state")
		w.put(t, "shop/terraform.tfstate.tflock", lockText)
		p := w.prepare(t)
		wantVerdict(t, p, pipeline.StatusFailure, "The state is locked by alice@laptop since 2026-11-25 16:32:33 UTC (apply)", unlock)

		// A pull request's plan is applied by nobody, so it waits for nobody.
		w.steps = pipeline.PrepareOnly
		w.planned(t)

		w.steps, w.attempt = pipeline.PrepareThenApply, 2
		p = w.prepare(t)
		section, found := p.SectionTitled("What was there")
		if !found || !strings.Contains(section.Text, "no state yet") || !strings.Contains(section.Text, "held by alice@laptop") || !strings.Contains(section.Text, unlock) {
			t.Errorf("a second attempt says %+v", section)
		}
	})
	t.Run("in the table", func(t *testing.T) {
		w := newBucketWorld(t, aThing, "acme-state")
		w.files["infra/backend.tf"] = strings.Replace(inBucket, "use_lockfile   = true", "dynamodb_table = \"locks\"", 1)
		table := w.admin.DynamoDB(awscloud.Table{Name: "locks"})
		name, key := "locks", "LockID"
		if _, err := table.CreateTable(t.Context(), &dynamodb.CreateTableInput{
			TableName: &name, BillingMode: dynamotypes.BillingModePayPerRequest,
			AttributeDefinitions: []dynamotypes.AttributeDefinition{{AttributeName: &key, AttributeType: dynamotypes.ScalarAttributeTypeS}},
			KeySchema:            []dynamotypes.KeySchemaElement{{AttributeName: &key, KeyType: dynamotypes.KeyTypeHash}},
		}); err != nil {
			t.Fatal(err)
		}
		w.applied(t)
		if _, err := table.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &name, Item: map[string]dynamotypes.AttributeValue{
			"LockID": &dynamotypes.AttributeValueMemberS{Value: "acme-state/shop/terraform.tfstate"},
			"Info":   &dynamotypes.AttributeValueMemberS{Value: lockText},
		}}); err != nil {
			t.Fatal(err)
		}
		w.attempt = 2
		p := w.prepare(t)
		wantVerdict(t, p, pipeline.StatusFailure, "The state is locked by alice@laptop", unlock)
		if section, _ := p.SectionTitled("What was there"); !strings.Contains(section.Text, "serial 1") || !strings.Contains(section.Text, "held by alice@laptop") {
			t.Errorf("a second attempt says %+v", section)
		}
	})
}

func TestStalePlan(t *testing.T) {
	w := newBucketWorld(t, aThing, "acme-state")
	w.applied(t)
	w.files["infra/main.tf"] = strings.Replace(aThing, `"1"`, `"2"`, 1)
	p := w.planned(t)

	// Somebody else applies something in between.
	w.files["infra/main.tf"] = strings.Replace(aThing, `"1"`, `"3"`, 1)
	w.applied(t)

	a := w.apply(t.Context(), t, p)
	wantVerdict(t, a, pipeline.StatusFailure, "The plan moved: the state changed since it was made: it was at serial 1 of ", "A new plan is made")
	for _, command := range a.Recorded.Commands {
		if len(command) > 1 && command[1] == "apply" {
			t.Error("it was applied")
		}
	}
	w.files["infra/main.tf"] = strings.Replace(aThing, `"1"`, `"2"`, 1)
	if again := w.planned(t); again.Recorded.Parts[0].Value == p.Recorded.Parts[0].Value {
		t.Error("the plan on another state has the value of the one before, so that its approval would count")
	}
}

// Where the state moves after it was compared, Terraform itself refuses.
func TestPlanThatTerraformCallsStale(t *testing.T) {
	w := newBucketWorld(t, aThing, "acme-state")
	p := w.planned(t)
	w.applied(t)
	// What was kept says that nothing moved: as it would be, had the other apply come a moment later.
	now := w.planned(t)
	facts := bytes.Replace(p.Recorded.Private[keptFacts], []byte(`"state":{"serial":0,"lineage":""}`), stateOf(t, now.Recorded.Private[keptFacts]), 1)
	if bytes.Equal(facts, p.Recorded.Private[keptFacts]) {
		t.Fatalf("facts: %s", facts)
	}
	p.Recorded.Private[keptFacts] = facts
	wantVerdict(t, w.apply(t.Context(), t, p), pipeline.StatusFailure, "The plan moved: the state changed since it was made, and", "refused it as stale")
}

func stateOf(t *testing.T, facts []byte) []byte {
	t.Helper()
	_, rest, found := bytes.Cut(facts, []byte(`"state":`))
	end := bytes.IndexByte(rest, '}')
	if !found || end < 0 {
		t.Fatalf("facts: %s", facts)
	}
	return append([]byte(`"state":`), rest[:end+1]...)
}

// deadAWS is what the real AWS is to a stage that has nothing to do with it.
const deadAWS = "http://127.0.0.1:1"

// AWS is asked who the stage is only where something needs it, and where the configuration or the stage says.
func TestServersThatAreNotAWS(t *testing.T) {
	elsewhere := func(t *testing.T) bucketWorld {
		t.Helper()
		w := newBucketWorld(t, aThing, "acme-state")
		t.Setenv("AWS_ENDPOINT_URL", deadAWS)
		w.machine = []string{"AWS_EC2_METADATA_DISABLED=true"}
		return w
	}
	t.Run("nothing needs AWS", func(t *testing.T) {
		w := elsewhere(t)
		delete(w.files, "infra/backend.tf")
		w.planned(t)
	})
	t.Run("a backend that says so", func(t *testing.T) {
		w := elsewhere(t)
		w.files["infra/backend.tf"] = strings.Replace(inBucket, "    use_path_style", "    endpoints = { s3 = \""+w.server+"\" }\n    skip_credentials_validation = true\n"+
			"    skip_requesting_account_id = true\n    skip_region_validation = true\n    skip_metadata_api_check = true\n    use_path_style", 1)
		w.applied(t)
		if keys := w.keys(t); len(keys) != 1 {
			t.Errorf("the bucket holds %q", keys)
		}
	})
	t.Run("a backend with an STS of its own", func(t *testing.T) {
		w := elsewhere(t)
		w.files["infra/backend.tf"] = strings.Replace(inBucket, "    use_path_style", "    endpoints = { s3 = \""+w.server+"\", sts = \""+w.server+"\" }\n    use_path_style", 1)
		w.planned(t)
	})
	t.Run("the stage's variables", func(t *testing.T) {
		w := elsewhere(t)
		w.env = map[string]string{"AWS_ENDPOINT_URL": w.server}
		w.machine = append(w.machine, "AWS_ENDPOINT_URL="+w.server) // as the runner hands them to commands
		w.planned(t)
	})
	t.Run("the stage's variables, by service", func(t *testing.T) {
		w := elsewhere(t)
		w.env = map[string]string{"AWS_ENDPOINT_URL_STS": w.server, "AWS_ENDPOINT_URL_S3": w.server}
		w.machine = append(w.machine, "AWS_ENDPOINT_URL="+w.server)
		w.planned(t)
	})
}
