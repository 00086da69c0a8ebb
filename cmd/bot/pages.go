package main

import (
	"context"
	"net/netip"
	"net/url"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/dashboard"
	"github.com/slipwayhq/slipway/internal/githubclient"
	"github.com/slipwayhq/slipway/internal/peer"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// signIn lets people sign in where the settings have the App's client; elsewhere b.signedIn stays nil.
func (b *bot) signIn(settings config.Config) error {
	if !settings.SignIn() {
		return nil
	}
	warnOfOpenAddress(settings.PublicURL, b.log)
	var err error
	b.signedIn, err = dashboard.NewSignedIn(dashboard.SignInOptions{
		Identities: b.forge.SignIn(settings.OAuthClientID, settings.OAuthClientSecret, dashboard.CallbackURL(settings.PublicURL)),
		Authority:  authority{b.db, b.forge.Pool}, Memory: b.db, Secret: settings.OAuthClientSecret, PublicURL: settings.PublicURL,
		Sandboxed: fromStage, Log: b.log,
	})
	return err
}

// access is who may see the pages.
func (b *bot) access() dashboard.Access {
	if b.signedIn != nil {
		return b.signedIn
	}
	return dashboard.LoopbackOnly{Sandboxed: fromContainer}
}

// fromStage reports whether a connection to the pages comes from the code of a repository.
func fromStage(client, server netip.AddrPort) (bool, error) {
	kind, err := peer.Of(client, server)
	return kind == peer.Sandboxed, err
}

// fromContainer reports whether it comes from a stage or from any other process that sees not what we see: nobody sits in
// a container.
func fromContainer(client, server netip.AddrPort) (bool, error) {
	kind, err := peer.Of(client, server)
	return kind == peer.Sandboxed || kind == peer.Contained, err
}

// endSessions signs an account out of the pages.
func (b *bot) endSessions(ctx context.Context, accountID int64) error {
	if b.signedIn == nil {
		return nil
	}
	return b.signedIn.EndSessions(ctx, accountID)
}

// warnOfOpenAddress tells of sign-in over a network that anybody on the way can read.
func warnOfOpenAddress(publicURL string, log zerolog.Logger) {
	u, err := url.Parse(publicURL)
	if err == nil && u.Scheme == "http" && !dashboard.IsLoopbackHost(u.Host) {
		log.Warn().Str("public", publicURL).Msg("people sign in over http: whoever is on the way can take over their sessions; " +
			"put a proxy with https in front and set SLIPWAY_PUBLIC_URL to its address")
	}
}

// authority asks GitHub about repositories as the store knows them now: a run remembers an older name, perhaps, or an
// installation that is gone. Pages wait behind everything else that the bot wants of GitHub.
type authority struct {
	repositories interface {
		Repository(ctx context.Context, id int64) (pipeline.Repository, error)
	}
	github *githubclient.Pool
}

// Public implements dashboard.Authority.
func (a authority) Public(ctx context.Context, repositoryID int64) (bool, error) {
	repository, err := a.repositories.Repository(ctx, repositoryID)
	if err != nil {
		return false, err
	}
	return a.github.Public(githubclient.WithPriority(ctx, githubclient.PriorityProgress), repository)
}

// Permission implements dashboard.Authority.
func (a authority) Permission(ctx context.Context, repositoryID int64, who dashboard.Person) (string, error) {
	repository, err := a.repositories.Repository(ctx, repositoryID)
	if err != nil {
		return "", err
	}
	return a.github.PermissionOf(githubclient.WithPriority(ctx, githubclient.PriorityProgress), repository, who.Login, who.ID)
}
