package githubclient

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// explained adds to an error of GitHub what it means for whoever reads it; what does not exist becomes pipeline.ErrNotFound.
func explained(err error) error {
	if err == nil {
		return nil
	}
	if reason, ok := Permanent(err); ok {
		if status(err) == http.StatusNotFound || status(err) == http.StatusGone {
			return fmt.Errorf("%w (%s): %w", pipeline.ErrNotFound, reason, err)
		}
		return fmt.Errorf("%s: %w", reason, err)
	}
	return err
}

func status(err error) int {
	var answered *github.ErrorResponse
	if errors.As(err, &answered) && answered.Response != nil {
		return answered.Response.StatusCode
	}
	return 0
}

// Permanent reports whether GitHub will not accept a request however often it is repeated, and why, with what to do.
func Permanent(err error) (reason string, ok bool) {
	var noToken *ghinstallation.HTTPError
	if errors.As(err, &noToken) && noToken.RootCause == nil && noToken.Response != nil {
		return refusedToken(noToken)
	}
	var answered *github.ErrorResponse
	if !errors.As(err, &answered) || answered.Response == nil {
		return "", false
	}
	switch answered.Response.StatusCode {
	case http.StatusNotFound, http.StatusGone, http.StatusUnavailableForLegalReasons:
		return "GitHub does not find it, or the App may not see it: check that it still exists and that the App is installed on that repository", true
	case http.StatusForbidden:
		return refusedPermission(answered)
	default:
		return "", false
	}
}

// refusedToken judges by the status alone: a suspended installation (403) may be resumed, a removed one (404) is another one
// when it comes back.
func refusedToken(err *ghinstallation.HTTPError) (string, bool) {
	if err.Response.StatusCode != http.StatusNotFound {
		return "", false
	}
	return fmt.Sprintf("the App is no longer installed there (installation %d): install it again to go on", err.InstallationID), true
}

func refusedPermission(err *github.ErrorResponse) (string, bool) {
	message := strings.ToLower(err.Message)
	switch {
	case strings.Contains(message, "not accessible by integration"):
		needed := err.Response.Header.Get("X-Accepted-Github-Permissions")
		if needed == "" {
			needed = "one that it lacks"
		}
		return "the App needs the permission " + needed + ": grant it in the App's settings, then accept it in the installation's settings", true
	case strings.Contains(message, "archived"):
		return "the repository is archived and read-only: unarchive it to go on", true
	default:
		return "", false
	}
}
