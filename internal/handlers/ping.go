package handlers

import (
	"context"

	"github.com/rs/zerolog"
)

// Ping notes that GitHub reaches the bot.
type Ping struct{}

// Handles implements githubapp.EventHandler.
func (Ping) Handles() []string { return []string{"ping"} }

// Handle implements githubapp.EventHandler.
func (Ping) Handle(ctx context.Context, _, _ string, _ []byte) error {
	zerolog.Ctx(ctx).Info().Msg("GitHub reaches this webhook")
	return nil
}
