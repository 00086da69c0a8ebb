package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// ecrHost is a private registry of Amazon: account, region.
var ecrHost = regexp.MustCompile(`^\d{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.(?:aws|amazonwebservices\.com\.cn))$`)

// ECRRegion tells whether a host is a private registry of Amazon ECR, and in which region.
func ECRRegion(host string) (region string, ok bool) {
	found := ecrHost.FindStringSubmatch(host)
	if found == nil {
		return "", false
	}
	return found[1], true
}

// ECRLogin exchanges AWS credentials for a login that lasts twelve hours. The region in config is that of the registry.
func ECRLogin(ctx context.Context, config aws.Config) (Credentials, error) {
	answer, err := ecr.NewFromConfig(config).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		if ctx.Err() != nil {
			return Credentials{}, context.Cause(ctx)
		}
		return Credentials{}, &Problem{
			Title: "AWS gives no login to its registry",
			Cause: fmt.Sprintf("Asking AWS for a login to ECR in %s: %v. The credentials need ecr:GetAuthorizationToken.", config.Region, err), Err: err,
		}
	}
	if len(answer.AuthorizationData) == 0 {
		return Credentials{}, errors.New("AWS answers without a login to ECR")
	}
	text, err := base64.StdEncoding.DecodeString(aws.ToString(answer.AuthorizationData[0].AuthorizationToken))
	user, password, found := strings.Cut(string(text), ":")
	if err != nil || !found {
		return Credentials{}, errors.New("AWS answers with a login to ECR that cannot be read")
	}
	return Credentials{User: user, Password: password}, nil
}
