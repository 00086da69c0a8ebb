package environment

import (
	"context"
	"fmt"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Lock closes an environment. One that is closed already stays as it is.
func (k *Keeper) Lock(ctx context.Context, repo pipeline.Repository, environment, reason string, word Word) error {
	_, err := k.store.ChangeEnvironment(ctx, repo.ID, environment, func(s *pipeline.EnvironmentState) error {
		if s.Lock == nil {
			s.Lock = &pipeline.Lock{By: word.By, Reason: reason, At: k.clock.Now()}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("lock %s: %w", environment, err)
	}
	return k.locked(ctx, repo, environment, "lock", reason, word)
}

// Unlock opens an environment: it lifts the lock, and what a rollback holds back.
func (k *Keeper) Unlock(ctx context.Context, repo pipeline.Repository, environment string, word Word) error {
	_, err := k.store.ChangeEnvironment(ctx, repo.ID, environment, func(s *pipeline.EnvironmentState) error {
		s.Lock, s.Hold = nil, nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("unlock %s: %w", environment, err)
	}
	return k.locked(ctx, repo, environment, "unlock", "", word)
}

func (k *Keeper) locked(ctx context.Context, repo pipeline.Repository, environment, action, reason string, word Word) error {
	if err := k.store.Record(ctx, pipeline.AuditRecord{
		At: k.clock.Now(), Repository: repo.FullName(), RepositoryID: repo.ID, Environment: environment, Actor: word.By,
		Action: action, Allowed: true, Why: reason, Via: word.Via, Cause: word.Cause,
	}); err != nil {
		return fmt.Errorf("record the %s of %s: %w", action, environment, err)
	}
	return k.Recheck(ctx, repo.ID, environment)
}
