package githubclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-github/v60/github"
	"golang.org/x/oauth2"
)

// SignIn is GitHub's web flow for the App: how a person proves who they are.
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-user-access-token-for-a-github-app
type SignIn struct {
	pool   *Pool
	config oauth2.Config
	http   *http.Client
}

// SignIn makes the flow of the App with that client ID and secret. callback is where GitHub sends people back to; it must
// be among the App's callback URLs, letter for letter.
func (p *Pool) SignIn(clientID, clientSecret, callback string) *SignIn {
	web := strings.TrimSuffix(p.config.WebURL, "/")
	return &SignIn{
		pool: p,
		config: oauth2.Config{
			ClientID: clientID, ClientSecret: clientSecret, RedirectURL: callback,
			Endpoint: oauth2.Endpoint{
				AuthURL: web + "/login/oauth/authorize", TokenURL: web + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams,
			},
		},
		http: &http.Client{
			Transport: deadlineTransport{next: p.config.Transport},
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return errors.New("GitHub redirects: codes and tokens are not sent elsewhere")
			},
		},
	}
}

// SignInURL is where a person says who they are. state comes back with the answer; verifier is what only the one who
// began can show later (PKCE).
func (s *SignIn) SignInURL(state, verifier string) string {
	return s.config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// WhoIs trades the code that a person came back with for their account. The token that GitHub gives for it is used for
// this one question and revoked: nothing is ever done in the person's name.
func (s *SignIn) WhoIs(ctx context.Context, code, verifier string) (id int64, login string, err error) {
	token, err := s.config.Exchange(context.WithValue(ctx, oauth2.HTTPClient, s.http), code, oauth2.VerifierOption(verifier))
	if err != nil {
		return 0, "", fmt.Errorf("exchange the code of a sign-in: %w", plainly(err))
	}
	defer s.forget(ctx, token.AccessToken)
	client, err := s.client(&oauth2.Transport{Base: s.http.Transport, Source: oauth2.StaticTokenSource(token)})
	if err != nil {
		return 0, "", err
	}
	user, _, err := client.Users.Get(ctx, "")
	switch {
	case err != nil:
		return 0, "", fmt.Errorf("ask who signs in: %w", explained(err))
	case user.GetID() == 0 || user.GetLogin() == "":
		return 0, "", errors.New("GitHub does not say who signs in")
	}
	return user.GetID(), user.GetLogin(), nil
}

// forget revokes a token, also when the visitor has left meanwhile. One that cannot be revoked ends after eight hours.
func (s *SignIn) forget(ctx context.Context, token string) {
	ctx = context.WithoutCancel(ctx)
	client, err := s.client(&github.BasicAuthTransport{
		Username: s.config.ClientID, Password: s.config.ClientSecret, Transport: s.http.Transport,
	})
	if err == nil {
		_, err = client.Authorizations.Revoke(ctx, s.config.ClientID, token)
	}
	if err != nil {
		s.pool.log.Warn().Err(err).Msg("the token of a sign-in could not be revoked; nobody keeps it, and it ends after eight hours")
	}
}

// client speaks to the API with credentials that are not the App's own.
func (s *SignIn) client(credentials http.RoundTripper) (*github.Client, error) {
	app, err := s.pool.App()
	if err != nil {
		return nil, err
	}
	client := github.NewClient(&http.Client{Transport: credentials, CheckRedirect: s.http.CheckRedirect})
	client.BaseURL, client.UserAgent = app.BaseURL, app.UserAgent
	return client, nil
}

// plainly keeps of a refused exchange what GitHub calls it, and nothing of the answer's body.
func plainly(err error) error {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		return err
	case refusal.ErrorCode == "":
		return fmt.Errorf("GitHub answers %s", refusal.Response.Status)
	case refusal.ErrorCode == "incorrect_client_credentials":
		return errors.New("GitHub says incorrect_client_credentials: compare GITHUB_OAUTH_CLIENT_ID and GITHUB_OAUTH_CLIENT_SECRET with the App's settings page")
	default:
		return fmt.Errorf("GitHub says %s", refusal.ErrorCode)
	}
}
