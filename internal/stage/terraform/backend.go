package terraform

import (
	"fmt"
	"maps"
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/slipwayhq/slipway/internal/awscloud"
)

const (
	backendS3    = "s3"
	backendLocal = "local"
	backendCloud = "cloud"
	// override is a file of ours that Terraform merges over the repository's.
	override = "slipway_override.tf"
	// stateCache names the folder of states that no backend keeps.
	stateCache = "terraform-state"
)

// backend is where the state is.
type backend struct {
	kind     string
	settings map[string]string
	// folder, of a local one, is outside of the checkout, which is gone after the stage.
	folder string
	// workspace is empty for the default one.
	workspace string
	// unmade: there is no such workspace yet, and this plan does not make it.
	unmade bool
}

// newBackend merges the file's settings with those of the stage.
func newBackend(c configuration, s Settings) backend {
	b := backend{kind: c.backend, settings: maps.Clone(c.settings), workspace: s.Workspace}
	if b.settings == nil {
		b.settings = map[string]string{}
	}
	maps.Copy(b.settings, s.BackendConfig)
	if b.kind == "" {
		b.kind = backendLocal
	}
	if b.workspace == "default" {
		b.workspace = ""
	}
	return b
}

// String tells people, and the hash of a plan, where the state is.
func (b backend) String() string {
	switch b.kind {
	case backendS3:
		return "s3://" + b.settings["bucket"] + "/" + b.stateKey()
	case backendLocal:
		return "a file on this machine"
	default:
		return "the backend " + b.kind
	}
}

// stateKey is the key of the state in an S3 bucket.
func (b backend) stateKey() string {
	key := b.settings["key"]
	if b.workspace == "" {
		return key
	}
	prefix := b.settings["workspace_key_prefix"]
	if prefix == "" {
		prefix = "env:"
	}
	return prefix + "/" + b.workspace + "/" + key
}

// ownCredentials reports whether the backend is told where credentials come from, so that ours say nothing about it.
func (b backend) ownCredentials() bool {
	for name := range b.settings {
		if bringsCredentials(name) || name == "role_arn" || name == "assume_role" {
			return true
		}
	}
	return false
}

func (b backend) bucket() awscloud.Bucket {
	return awscloud.Bucket{
		Name: b.settings["bucket"], Region: b.settings["region"], Endpoint: first(b.settings["endpoints.s3"], b.settings["endpoint"]),
		PathStyle: b.settings["use_path_style"] == "true" || b.settings["force_path_style"] == "true",
	}
}

// sts is where the backend asks who it is; empty: where everybody does.
func (b backend) sts() string { return first(b.settings["endpoints.sts"], b.settings["sts_endpoint"]) }

func (b backend) table() awscloud.Table {
	return awscloud.Table{
		Name: b.settings["dynamodb_table"], Region: b.settings["region"],
		Endpoint: first(b.settings["endpoints.dynamodb"], b.settings["dynamodb_endpoint"]),
	}
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// statePath is the file of a local state.
func (b backend) statePath() string {
	if b.workspace == "" {
		return filepath.Join(b.folder, "terraform.tfstate")
	}
	return filepath.Join(b.folder, "workspaces", b.workspace, "terraform.tfstate")
}

// overriding is a file that moves a local state out of the checkout, into a folder.
func overriding(folder string) []byte {
	file := hclwrite.NewEmptyFile()
	local := file.Body().AppendNewBlock("terraform", nil).Body().AppendNewBlock("backend", []string{backendLocal}).Body()
	local.SetAttributeValue("path", cty.StringVal(filepath.Join(folder, "terraform.tfstate")))
	local.SetAttributeValue("workspace_dir", cty.StringVal(filepath.Join(folder, "workspaces")))
	return file.Bytes()
}

// keepLocalState gives a state without a backend, or in a file of the checkout, a place that outlives the checkout. It is one machine's: whoever has a
// team or a second machine needs a backend, and the stage says so.
func (a *attempt) keepLocalState() error {
	cache, err := a.s.CacheDir(stateCache)
	if err != nil {
		return err
	}
	scope := a.settings.Dir
	if env := a.s.Task().Stage.Environment; env != "" {
		scope = env + "/" + scope
	}
	// Files that the configuration or the stage tells apart are apart here, too.
	for _, name := range []string{"path", "workspace_dir"} {
		if at := a.backend.settings[name]; at != "" {
			scope += "\n" + name + "=" + at
		}
	}
	a.backend.folder = filepath.Join(cache, hashOf(scope)[:16])
	if err := makeFolder(cache, hashOf(scope)[:16]); err != nil {
		return fmt.Errorf("make the folder of the state: %w", err)
	}
	if err := a.s.Root().WriteFile(a.inDir(override), overriding(a.backend.folder), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", a.inDir(override), err)
	}
	return nil
}
