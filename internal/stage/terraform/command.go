package terraform

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/slipwayhq/slipway/internal/runner"
)

// cliConfig is Terraform's configuration file of ours, in the scratch folder.
const cliConfig = "terraform.rc"

// pluginCache names the cache of providers.
const pluginCache = "terraform-plugins"

// quietEnvironment makes Terraform behave as it should without a person: it asks nothing, and prints no debugging log,
// which would hold sensitive values.
func quietEnvironment() []string {
	return []string{
		"TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1", "TF_DATA_DIR=.terraform", "TF_WORKSPACE=",
		"TF_LOG=", "TF_LOG_CORE=", "TF_LOG_PROVIDER=", "TF_LOG_PATH=", "TF_CLI_ARGS=", "TF_CLI_ARGS_apply=", "GIT_TERMINAL_PROMPT=0",
	}
}

// command is one call of Terraform.
type command struct {
	args []string
	// access: it gets the stage's secrets and the credentials of AWS.
	access bool
	stdout io.Writer
}

// run calls Terraform in the folder of the root module.
func (a *attempt) run(ctx context.Context, c command) (runner.Exit, error) {
	env := append(quietEnvironment(), "TF_CLI_CONFIG_FILE="+filepath.Join(a.s.Scratch(), cliConfig))
	call := runner.Command{
		Args: append([]string{a.tool.Path}, c.args...), Dir: a.settings.Dir, Stdout: c.stdout, Image: a.s.Task().Stage.Image,
	}
	if c.access {
		call.Secrets = a.namedSecrets()
		if a.access != nil {
			env = append(env, a.access.Env()...)
		}
	}
	call.Env, call.Shown = env, a.mirrors
	exit, err := a.s.Command(ctx, call)
	if err != nil {
		return exit, fmt.Errorf("%s %s: %w", a.tool.program(), c.args[0], err)
	}
	return exit, nil
}

// stream calls Terraform with -json and passes on what it says, event by event.
func (a *attempt) stream(ctx context.Context, args []string, each func(event)) (runner.Exit, error) {
	lines := newEvents(a.s, each)
	exit, err := a.run(ctx, command{args: args, access: true, stdout: lines})
	lines.close()
	a.diagnostics = append(a.diagnostics, lines.diagnostics...)
	return exit, err
}

// writeCLIConfig sets the shared cache of providers, and where the operator wants providers to come from. Nothing else of
// the operator's file is used: it may hold credentials.
func (a *attempt) writeCLIConfig() error {
	cache, err := a.s.CacheDir(pluginCache)
	if err != nil {
		return err
	}
	file := hclwrite.NewEmptyFile()
	file.Body().SetAttributeValue("plugin_cache_dir", cty.StringVal(cache))
	file.Body().SetAttributeValue("disable_checkpoint", cty.True)
	if err := a.addInstallation(file); err != nil {
		return err
	}
	return writeNew(a.s.Scratch(), cliConfig, file.Bytes())
}

func (a *attempt) addInstallation(file *hclwrite.File) error {
	if a.options.CLIConfig == "" {
		return nil
	}
	text, err := os.ReadFile(a.options.CLIConfig)
	if err != nil {
		if os.IsNotExist(err) {
			return nil
		}
		return fmt.Errorf("read the operator's TF_CLI_CONFIG_FILE: %w", err)
	}
	operator, diagnostics := hclwrite.ParseConfig(text, a.options.CLIConfig, hcl.InitialPos)
	if diagnostics.HasErrors() {
		return fmt.Errorf("read the operator's TF_CLI_CONFIG_FILE: %w", diagnostics)
	}
	for _, block := range operator.Body().Blocks() {
		if block.Type() == "provider_installation" {
			file.Body().AppendBlock(block)
			a.mirrors = append(a.mirrors, mirrorsIn(block)...)
		}
	}
	return nil
}

// mirrorsIn are the folders that providers are taken from: the commands must be able to read them.
func mirrorsIn(installation *hclwrite.Block) []string {
	var folders []string
	for _, method := range installation.Body().Blocks() {
		path := method.Body().GetAttribute("path")
		if method.Type() != "filesystem_mirror" || path == nil {
			continue
		}
		expression, diagnostics := hclsyntax.ParseExpression(path.Expr().BuildTokens(nil).Bytes(), "path", hcl.InitialPos)
		if diagnostics.HasErrors() {
			continue // Terraform tells what is wrong with it
		}
		folder, diagnostics := expression.Value(nil)
		if diagnostics.HasErrors() || folder.Type() != cty.String || !filepath.IsAbs(folder.AsString()) {
			continue
		}
		if info, err := os.Stat(folder.AsString()); err == nil && info.IsDir() { //nolint:gosec // the operator names it
			folders = append(folders, folder.AsString())
		}
	}
	return folders
}

// writeNew writes a file that is not there yet into a folder that commands may write, through no link.
func writeNew(dir, name string, content []byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer root.Close() //nolint:errcheck // every write is checked
	if err := root.RemoveAll(name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	file, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := file.Write(content); err != nil {
		_ = file.Close() // the write's error says more
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
