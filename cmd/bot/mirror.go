package main

import (
	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// mirrors builds what GitHub is shown: checks, the comment on a pull request, deployments. Those returned are told of changes.
func (b *bot) mirrors(c *core, settings config.Config) []pipeline.Observer {
	b.reporter = checks.NewReporter(checks.Options{
		GitHub: b.forge, Store: c.db, PageURL: settings.PublicURL, AppID: settings.AppID, Logger: c.log,
	})
	b.stickies = checks.NewStickies(checks.StickyOptions{GitHub: b.forge, Store: c.db, PageURL: settings.PublicURL, Logger: c.log})
	b.deployments = checks.NewDeployments(checks.DeploymentOptions{GitHub: b.forge, Store: c.db, PageURL: settings.PublicURL, Logger: c.log})
	return []pipeline.Observer{b.reporter, b.stickies}
}

// pullChanged has the comment on a pull request looked at: it was closed, reopened or pushed to.
func (b *bot) pullChanged(repository pipeline.Repository, number int) {
	b.stickies.PullChanged(repository, number)
}
