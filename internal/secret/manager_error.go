package secret

import (
	"errors"
	"fmt"
	"path"

	"github.com/aws/smithy-go"
)

// ManagerError says that AWS did not tell a secret. Its text is shown in checks: of AWS's own words, which name accounts and
// roles, it has the code alone. The rest is in what it wraps.
type ManagerError struct {
	Name, Place string
	// Problem says what happened and what to do.
	Problem string
	passing bool
	err     error
}

func (e *ManagerError) Error() string {
	return fmt.Sprintf("AWS Secrets Manager did not tell %s: %s", e.Place, e.Problem)
}

func (e *ManagerError) Unwrap() error { return e.err }

// Temporary reports whether to ask again later may help.
func (e *ManagerError) Temporary() bool { return e.passing }

var errPatience = errors.New("AWS did not answer in time")

const noCredentials = "give the server's process a role or keys, as the AWS command line would find them " +
	"(AWS_PROFILE, AWS_ACCESS_KEY_ID, the role of the machine or pod)"

// withoutCredentials is for credentials that cannot be had now: the machine's or pod's role may be told a moment later.
func withoutCredentials(id string, err error) *ManagerError {
	return &ManagerError{Name: path.Base(id), Place: id, Problem: "the server has no AWS credentials: " + noCredentials, passing: true, err: err}
}

func explain(id string, err error) *ManagerError {
	e := &ManagerError{Name: path.Base(id), Place: id, err: err}
	if api, answered := errors.AsType[smithy.APIError](err); answered {
		e.Problem, e.passing = ofCode(api.ErrorCode(), api.ErrorFault())
	} else {
		e.Problem, e.passing = "AWS cannot be reached: look at the server's network, proxy and AWS_REGION", true
	}
	return e
}

// ofCode explains AWS's error codes; other ones are told as they are.
func ofCode(code string, fault smithy.ErrorFault) (problem string, passing bool) {
	switch code {
	case "AccessDeniedException", "AccessDenied":
		return "the server's role may not read it (" + code + "): allow secretsmanager:GetSecretValue on the prefix, " +
			"and kms:Decrypt where the secret has a key of your own", false
	case "DecryptionFailure", "KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException":
		return "its key cannot be used (" + code + "): allow the server's role kms:Decrypt with it, and look whether the key is enabled", false
	case "InvalidRequestException":
		return "it is marked for deletion or has no value (" + code + "): restore it, set a value, or delete it for good", false
	case "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException", "InvalidClientTokenId", "IncompleteSignature":
		return "AWS does not accept the server's credentials (" + code + "): renew them, and look at the machine's clock", false
	case "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "Throttling":
		return "AWS was asked too often (" + code + ")", true
	}
	if fault == smithy.FaultServer {
		return "AWS has a failure of its own (" + code + ")", true
	}
	return "AWS refuses (" + code + ")", false
}
