package main

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// sweeper removes what is older than the retention, at the start and every day.
type sweeper struct {
	db        *sqlite.DB
	artifacts *artifact.Store
	log       zerolog.Logger
	end       context.CancelFunc
	done      sync.WaitGroup
}

const sweepEvery = 24 * time.Hour

func newSweeper(db *sqlite.DB, artifacts *artifact.Store, log zerolog.Logger) *sweeper {
	return &sweeper{db: db, artifacts: artifacts, log: log}
}

func (s *sweeper) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	s.done.Go(func() {
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			if err := s.sweep(ctx, time.Now().Add(-retention)); err != nil && ctx.Err() == nil {
				s.log.Error().Err(err).Msg("sweep of old runs")
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

func (s *sweeper) stop() {
	s.end()
	s.done.Wait()
}

// sweep removes runs, then their logs and artifacts; files of runs that are gone are removed by a later sweep too.
func (s *sweeper) sweep(ctx context.Context, before time.Time) error {
	ids, err := s.db.Sweep(ctx, before)
	if err != nil {
		return err
	}
	if err := s.artifacts.Sweep(ctx, ids); err != nil {
		return err
	}
	deliveries, err := s.db.SweepDeliveries(ctx, before)
	if err != nil {
		return err
	}
	if len(ids) > 0 || deliveries > 0 {
		s.log.Info().Int("attempts", len(ids)).Int("deliveries", deliveries).Msg("old runs swept")
	}
	return nil
}
