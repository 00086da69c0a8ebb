package awscloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// Bucket is a bucket of S3, or of something that speaks its protocol.
type Bucket struct {
	Name, Region string
	// Endpoint, where set, is another server than AWS's; PathStyle addresses the bucket by path.
	Endpoint  string
	PathStyle bool
}

// Table is a table of DynamoDB.
type Table struct{ Name, Region, Endpoint string }

// S3 is a client for a bucket.
func (a *Access) S3(b Bucket) *s3.Client {
	return s3.NewFromConfig(a.config, func(o *s3.Options) {
		if b.Region != "" {
			o.Region = b.Region
		}
		o.UsePathStyle = b.PathStyle || o.BaseEndpoint != nil
		if at := cmp.Or(b.Endpoint, a.endpoints.S3); at != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(at), true
		}
	})
}

// DynamoDB is a client for a table.
func (a *Access) DynamoDB(t Table) *dynamodb.Client {
	return dynamodb.NewFromConfig(a.config, func(o *dynamodb.Options) {
		if t.Region != "" {
			o.Region = t.Region
		}
		if at := cmp.Or(t.Endpoint, a.endpoints.DynamoDB); at != "" {
			o.BaseEndpoint = aws.String(at)
		}
	})
}

// CheckBucket tells whether a bucket is there and may be looked at; the error is a *Problem where AWS says no.
func (a *Access) CheckBucket(ctx context.Context, b Bucket) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	_, err := a.S3(b).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: ptr(b.Name)})
	if err == nil {
		return nil
	}
	doing := "look at the bucket " + b.Name
	// The answer to HEAD has no body: the status is all there is.
	switch status(err) {
	case http.StatusNotFound:
		return &Problem{
			Title: "The bucket " + b.Name + " does not exist",
			Cause: fmt.Sprintf("The S3 bucket %q does not exist in the account.", b.Name), Err: err,
		}
	case http.StatusForbidden:
		return &Problem{
			Title: "The bucket " + b.Name + " may not be used",
			Cause: fmt.Sprintf("The credentials may not use the S3 bucket %q (AccessDenied), or it belongs to another account.", b.Name), Err: err,
		}
	case http.StatusMovedPermanently, http.StatusBadRequest:
		return &Problem{
			Title: "The bucket " + b.Name + " is in another region",
			Cause: fmt.Sprintf("The S3 bucket %q is not in the region %s.", b.Name, orDefault(b.Region)), Err: err,
		}
	default:
		return Explain(err, doing)
	}
}

// CheckTable tells whether a table is there. Who may use it without looking at it is not held up.
func (a *Access) CheckTable(ctx context.Context, t Table) error {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	_, err := a.DynamoDB(t).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: ptr(t.Name)})
	if _, missing := errors.AsType[*dynamotypes.ResourceNotFoundException](err); missing {
		return &Problem{
			Title: "The table " + t.Name + " does not exist",
			Cause: fmt.Sprintf("The DynamoDB table %q, which holds the locks of the state, does not exist in the region %s.", t.Name, orDefault(t.Region)), Err: err,
		}
	}
	if api, said := errors.AsType[smithy.APIError](err); said && api.ErrorCode() == "AccessDeniedException" {
		return nil
	}
	if err != nil {
		return Explain(err, "look at the table "+t.Name)
	}
	return nil
}
