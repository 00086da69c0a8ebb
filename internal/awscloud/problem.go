package awscloud

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Problem is a failure whose cause is known: the account's or the configuration's, not ours.
type Problem struct { //nolint:errname // words for people first
	// Title is one line, Cause one to three sentences.
	Title, Cause string
	// Unreachable: AWS did not answer, so that another try may help.
	Unreachable bool
	// Err is what AWS said.
	Err error
}

func (p *Problem) Error() string { return p.Title + ": " + p.Cause }

func (p *Problem) Unwrap() error { return p.Err }

func noCredentials(r Request) error {
	p := &Problem{
		Title: "No AWS credentials",
		Cause: "There are no valid credential sources: the secrets " + keyID + " and " + secretKey +
			" are not set for this environment, and it names no role to assume.",
	}
	if missing := r.half(); missing != "" {
		p.Title, p.Cause = "Half of the AWS credentials is missing", "There are no valid credential sources: the secret "+missing+" is not set."
	}
	return p
}

// half is the missing one of two keys; empty: both are there, or none.
func (r Request) half() string {
	switch {
	case r.AccessKeyID == "" && r.SecretAccessKey != "":
		return keyID
	case r.AccessKeyID != "" && r.SecretAccessKey == "":
		return secretKey
	default:
		return ""
	}
}

// Explain makes an error of an AWS client a *Problem, where its cause is known. doing says what was tried: "read the
// cluster shop". Other errors are wrapped.
func Explain(err error, doing string) error {
	api, said := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil:
		return nil
	case said:
		return explainAPI(err, api, doing)
	case isCredentials(err):
		return &Problem{Title: "No AWS credentials", Cause: "There are no valid credential sources to " + doing + ": " + inside(err) + ".", Err: err}
	case unreachable(err):
		return &Problem{
			Title: "AWS cannot be reached", Cause: fmt.Sprintf("AWS did not answer the attempt to %s: %s.", doing, inside(err)),
			Unreachable: true, Err: err,
		}
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

func explainAPI(err error, api smithy.APIError, doing string) error {
	p := &Problem{Err: err}
	said := strings.TrimSuffix(api.ErrorMessage(), ".")
	switch api.ErrorCode() {
	case "InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "InvalidToken":
		p.Title = "AWS does not know the access key"
		p.Cause = fmt.Sprintf("AWS refused to %s: the access key is not valid (%s).", doing, api.ErrorCode())
	case "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignatureException":
		p.Title = "The AWS secret key is wrong"
		p.Cause = fmt.Sprintf("AWS refused to %s: the secret key does not belong to the access key (%s).", doing, api.ErrorCode())
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired":
		p.Title = "The AWS credentials have expired"
		p.Cause = fmt.Sprintf("AWS refused to %s: the security token has expired (%s).", doing, api.ErrorCode())
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden", "UnauthorizedAccess":
		p.Title = "AWS does not allow to " + doing
		p.Cause = fmt.Sprintf("AWS refused to %s: %s (%s).", doing, orElse(said, "the credentials may not do that"), api.ErrorCode())
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown", "ServiceUnavailable":
		p.Title, p.Unreachable = "AWS is busy", true
		p.Cause = fmt.Sprintf("AWS refused to %s for now: %s (%s).", doing, said, api.ErrorCode())
	default:
		if api.ErrorFault() == smithy.FaultServer || status(err) >= http.StatusInternalServerError {
			p.Unreachable = true
		}
		p.Title = "AWS refused to " + doing
		p.Cause = fmt.Sprintf("AWS refused to %s: %s (%s).", doing, orElse(said, "it gave no reason"), api.ErrorCode())
	}
	return p
}

func explainAssume(err error, r Request) error {
	explained := Explain(err, "assume the role "+r.Role)
	p, known := errors.AsType[*Problem](explained)
	if !known {
		return explained
	}
	if said := strings.ToLower(p.Cause); strings.Contains(said, "accessdenied") || strings.Contains(said, "not authorized") {
		p.Title = "The role cannot be assumed"
		p.Cause += " The trust policy of the role must allow sts:AssumeRole and sts:TagSession to whoever assumes it."
	}
	return p
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// isCredentials: the machine has no identity of its own to begin with.
func isCredentials(err error) bool {
	return strings.Contains(err.Error(), "failed to refresh cached credentials")
}

func unreachable(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return true
	}
	_, ok := errors.AsType[net.Error](err)
	return ok
}

// status is the HTTP status of the answer; 0: there was none.
func status(err error) int {
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return response.HTTPStatusCode()
	}
	return 0
}

// inside is the innermost text of an error: the client wraps it in the names of its parts.
func inside(err error) string {
	if dial, ok := errors.AsType[*net.OpError](err); ok {
		return dial.Error()
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return strings.TrimSuffix(err.Error(), ".")
}

// ptr keeps clients' inputs short.
func ptr(text string) *string { return aws.String(text) }
