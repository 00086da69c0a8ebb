package chatops

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func lockCommand() Command {
	return Command{
		Name: "lock", Args: "ENVIRONMENT [reason]", Does: "Closes an environment until somebody unlocks it.", Who: Deployers, Closed: true,
		More:     "`/deploy` and `/rollback` are refused then, with the reason; what a push deploys by itself waits, and afterwards only the newest goes.",
		Examples: []Example{{"/lock production the database is being moved", "Nothing enters production any more."}},
		gather:   gatherLock,
		decide: func(f facts, _ string) (order, *Refusal) {
			if no := f.notDeployer(); no != nil {
				return order{}, no
			}
			if lock := f.env.state.Lock; lock != nil {
				return order{}, &Refusal{
					Why: fmt.Sprintf("%s is locked already, by %s%s.", code(f.env.rules.Name), code(lock.By), reasonOf(*lock)),
					Do:  code("/unlock "+f.env.rules.Name) + " opens it.",
				}
			}
			return order{Environment: f.env.rules.Name, Reason: f.env.reason}, nil
		},
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			return "", d.gate.Lock(ctx, f.repository, o.Environment, o.Reason, f.word)
		},
	}
}

func unlockCommand() Command {
	return Command{
		Name: "unlock", Args: "ENVIRONMENT", Does: "Opens an environment that is locked, or held after a rollback.", Who: Deployers, Closed: true,
		Examples: []Example{{"/unlock production", "What waits goes on."}},
		gather:   gatherLock,
		decide: func(f facts, _ string) (order, *Refusal) {
			if no := f.notDeployer(); no != nil {
				return order{}, no
			}
			if f.env.reason != "" {
				return order{}, &Refusal{Why: "Nothing can follow the environment.", Do: "Write `/unlock ENVIRONMENT` alone on a line."}
			}
			if f.env.state.Lock == nil && f.env.state.Hold == nil {
				return order{}, &Refusal{Why: fmt.Sprintf("%s is not locked.", code(f.env.rules.Name)), Do: "`/why` shows what keeps something from it."}
			}
			return order{Environment: f.env.rules.Name}, nil
		},
		do: func(ctx context.Context, d *Desk, f facts, o order) (string, error) {
			return "", d.gate.Unlock(ctx, f.repository, o.Environment, f.word)
		},
	}
}

func gatherLock(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
	word, reason, _ := strings.Cut(args, " ")
	if word == "" {
		return &Refusal{Why: "It needs the environment by name.", Do: "`/lock ENVIRONMENT [reason]`, `/unlock ENVIRONMENT`."}, nil
	}
	f.env.reason = strings.TrimSpace(reason)
	return d.gatherPlace(ctx, f, word)
}

func reasonOf(lock pipeline.Lock) string {
	if lock.Reason == "" {
		return ""
	}
	return ": " + code(lock.Reason)
}
