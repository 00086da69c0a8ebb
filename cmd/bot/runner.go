package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/pythonenv"
	"github.com/slipwayhq/slipway/internal/report"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/signature/guard"
	"github.com/slipwayhq/slipway/internal/stage/command"
	"github.com/slipwayhq/slipway/internal/stage/kubernetes"
	"github.com/slipwayhq/slipway/internal/stage/python"
	"github.com/slipwayhq/slipway/internal/stage/pythonsecurity"
	"github.com/slipwayhq/slipway/internal/stage/smoke"
	"github.com/slipwayhq/slipway/internal/stage/terraform"
	"github.com/slipwayhq/slipway/internal/workspace"
	"github.com/slipwayhq/slipway/internal/workspace/changes"
)

// runnerCommand is what the executor starts for each stage attempt; nobody types it.
func runnerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "runner DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := runner.ReadOptions(args[0])
			if err != nil {
				return err
			}
			// The runner has its own handling of signals: the executor's are cancels with a reason.
			return runner.Main(context.WithoutCancel(cmd.Context()), args[0], runner.Deps{
				Stages: runnerKinds(options), Checkout: checkOut, Clock: pipeline.SystemClock{}, Mask: maskOf,
			})
		},
	}
}

// codecovTimeout bounds one upload: its failure is only a remark.
const codecovTimeout = 30 * time.Second

// passedVariables are those of the bot that runners and commands get besides what every command gets: where Python
// packages and Trivy's databases come from, by which certificates, where coverage is sent, and where AWS is.
func passedVariables() []string {
	return []string{
		"CODECOV_URL", "TRIVY_DB_REPOSITORY", "TRIVY_JAVA_DB_REPOSITORY",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_EKS",
		"AWS_ENDPOINT_URL_ECR", "AWS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
		"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS", "PIP_CERT", "REQUESTS_CA_BUNDLE",
		"UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS",
	}
}

// runnerKinds are the stage kinds that run in a runner, by the value of `uses`.
func runnerKinds(options runner.Options) map[string]runner.Stage {
	machine := pythonenv.ThisMachine() // before the runner empties its environment
	return guard.All(map[string]runner.Stage{
		"run": command.New(command.Options{Changes: changedLines}),
		"python": python.New(python.Options{
			Machine: machine, Changes: changedLines, CodecovURL: os.Getenv("CODECOV_URL"),
			HTTP: &http.Client{Timeout: codecovTimeout}, Now: time.Now,
		}),
		"python-security": pythonsecurity.New(pythonsecurity.Options{Machine: machine, Now: time.Now}),
		"image":           imageStage(options),
		"kubernetes":      kubernetes.New(kubernetes.Options{Now: time.Now, Smoke: smoke.New(smoke.Options{Now: time.Now})}),
		"smoke":           smoke.New(smoke.Options{Now: time.Now}),
		"terraform": terraform.New(terraform.Options{
			Machine: terraform.ThisMachine(), CLIConfig: os.Getenv("TF_CLI_CONFIG_FILE"), Now: time.Now,
		}),
	}, guard.Options{Insecure: options.InsecureRegistries})
}

// runnerKindNames are the keys of runnerKinds.
func runnerKindNames() []string {
	return []string{"run", "python", "python-security", "image", "kubernetes", "smoke", "terraform"}
}

// checkOut provides a stage's files through the workspace.
func checkOut(
	ctx context.Context, options runner.Options, task pipeline.Task, secrets pipeline.Secrets, log func(string),
) (runner.Checkout, error) {
	w, err := workspace.New(options.WorkspaceDir, workspace.Options{})
	if err != nil {
		return runner.Checkout{}, err
	}
	c, err := w.Checkout(ctx, task, secrets.GitToken, log)
	if problem, ok := errors.AsType[*workspace.Error](err); ok && !problem.Infrastructure {
		return runner.Checkout{}, &runner.Failure{Title: "checkout failed", Cause: problem.Message}
	}
	if err != nil {
		return runner.Checkout{}, err
	}
	return runner.Checkout{Dir: c.Dir, ReadOnly: c.ReadOnly, Close: c.Close}, nil
}

// changedLines are the lines that differ from the base, for the coverage of what is new.
func changedLines(ctx context.Context, s runner.Session) (report.Changes, error) {
	source := s.Task().Source.Git
	if source == nil || source.BaseSHA == "" {
		return nil, nil //nolint:nilnil // nil is "not known"
	}
	found, err := changes.ChangedLines(ctx, s.Dir(), source.BaseSHA)
	if errors.Is(err, changes.ErrUnknown) {
		return nil, nil //nolint:nilnil // told as "not known", not as an error
	}
	if err != nil {
		return nil, err
	}
	lines := make(report.Changes, len(found))
	for path, ranges := range found {
		for _, r := range ranges {
			lines[path] = append(lines[path], report.Range{From: r.First, To: r.Last})
		}
	}
	return lines, nil
}
