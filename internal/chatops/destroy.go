package chatops

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func destroyCommand() Command {
	return Command{
		Name: "destroy", Args: "ENVIRONMENT", Does: "Takes the infrastructure of an environment down.", Who: Deployers, Closed: true, lasts: true,
		More: "It is planned first, and never done without an approval of somebody else. An environment with branches or approvals is " +
			"protected: it, or each of its terraform stages, must say `allow-destroy` on the default branch.",
		Examples: []Example{{"/destroy review", "Plans to take review down, and waits for an approval."}},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			if strings.TrimSpace(args) == "" {
				return &Refusal{Why: "It needs the environment by name.", Do: "Write `/destroy ENVIRONMENT`."}, nil
			}
			if strings.Contains(args, "--") {
				return &Refusal{Why: "It knows no flags.", Do: "Write `/destroy ENVIRONMENT`."}, nil
			}
			return d.gatherDeploy(ctx, f, args, pipeline.ActionDestroy)
		},
		decide: func(f facts, args string) (order, *Refusal) {
			o, no := decideDeploy(f, args)
			o.Said = fmt.Sprintf("Plans to take down %s. Nothing is destroyed before somebody approves the plan.", code(f.env.rules.Name))
			return o, no
		},
		do: submitDeploy,
	}
}
