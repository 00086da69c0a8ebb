package terraform

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"

	"github.com/slipwayhq/slipway/internal/report"
)

const (
	lockFile = ".terraform.lock.hcl"
	// maxSource bounds one file of the configuration.
	maxSource = 4 << 20
	// maxSources bounds the files of one folder.
	maxSources = 2000
)

// configuration is what the files of the root module say before Terraform has read them.
type configuration struct {
	// required are the version constraints, with their places.
	required []requirement
	// backend is its type; empty: none is declared, "cloud": HCP Terraform. settings are its literal attributes.
	backend  string
	settings map[string]string
	// backendFile and backendLine are where it is declared.
	backendFile string
	backendLine int
	// usesAWS: a provider of AWS is required or configured, and nothing in its blocks says where credentials come from.
	usesAWS bool
	// tofu: files of OpenTofu's own, or its registry.
	tofu bool
}

// requirement is one required_version.
type requirement struct{ constraint, place string }

// rootSchema is what is looked at; everything else is Terraform's affair.
var rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{ //nolint:gochecknoglobals // a constant table
	{Type: "terraform"}, {Type: "provider", LabelNames: []string{"name"}},
}}

var terraformSchema = &hcl.BodySchema{ //nolint:gochecknoglobals // a constant table
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "backend", LabelNames: []string{"type"}}, {Type: "cloud"}, {Type: "required_providers"},
	},
}

// readConfiguration reads the files of a folder. Mistakes in them are left to Terraform, which explains them best.
func readConfiguration(root *os.Root, dir string) (configuration, error) {
	c := configuration{settings: map[string]string{}}
	names, err := sources(root, dir)
	if err != nil {
		return c, err
	}
	aws := awsUse{}
	parser := hclparse.NewParser()
	for _, name := range names {
		text, err := readFile(root, path.Join(dir, name), maxSource)
		if err != nil {
			return c, fmt.Errorf("read %s: %w", path.Join(dir, name), err)
		}
		parse := parser.ParseHCL
		if strings.HasSuffix(name, ".json") {
			parse = parser.ParseJSON
		}
		file, _ := parse(text, path.Join(dir, name)) // see above: what could be read
		if file == nil || file.Body == nil {
			continue
		}
		c.tofu = c.tofu || strings.Contains(name, ".tofu")
		content, _, _ := file.Body.PartialContent(rootSchema) // as above
		for _, block := range content.Blocks {
			if block.Type == "provider" {
				aws.provider(block)
			} else {
				c.terraform(block, &aws)
			}
		}
	}
	c.usesAWS = aws.required && !aws.ownCredentials
	if text, err := readFile(root, path.Join(dir, lockFile), maxSource); err == nil {
		c.tofu = c.tofu || strings.Contains(string(text), "registry.opentofu.org/")
	}
	return c, nil
}

// sources are the files Terraform would read, overrides last as it reads them.
func sources(root *os.Root, dir string) ([]string, error) {
	folder, err := root.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fail("There is no folder "+dir, "The stage works in %s, and the commit has no such folder: `dir` of the stage names it.", dir)
		}
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	defer folder.Close() //nolint:errcheck // opened for reading
	entries, err := folder.ReadDir(-1)
	if err != nil {
		return nil, fail(dir+" is no folder", "The stage works in %s, which is no folder: `dir` of the stage names it.", dir)
	}
	var names, overrides []string
	for _, entry := range entries {
		name := entry.Name()
		switch stem, source := sourceStem(name); {
		case !source || entry.IsDir() || strings.HasPrefix(name, "."):
		case stem == "override" || strings.HasSuffix(stem, "_override"):
			overrides = append(overrides, name)
		default:
			names = append(names, name)
		}
	}
	if len(names)+len(overrides) == 0 {
		return nil, fail("There is no configuration in "+dir, "The folder %s has no *.tf file, so there is nothing to plan: `dir` of the stage names it.", dir)
	}
	if len(names)+len(overrides) > maxSources {
		return nil, fail("Too many files in "+dir, "The folder %s has more than %d files of configuration.", dir, maxSources)
	}
	slices.Sort(names)
	slices.Sort(overrides)
	return append(names, overrides...), nil
}

func sourceStem(name string) (stem string, source bool) {
	for _, extension := range []string{".tf", ".tofu", ".tf.json", ".tofu.json"} {
		if stem, ok := strings.CutSuffix(name, extension); ok {
			return stem, true
		}
	}
	return "", false
}

// readFile reads an ordinary file of the checkout.
func readFile(root *os.Root, name string, most int64) ([]byte, error) {
	file, err := report.Open(root, name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("it is larger than %d MiB", most>>20)
	}
	return text, err
}

func (c *configuration) terraform(block *hcl.Block, aws *awsUse) {
	content, _, _ := block.Body.PartialContent(terraformSchema) // mistakes are Terraform's to tell
	if attribute, ok := content.Attributes["required_version"]; ok {
		if text, known := literal(attribute); known {
			where := attribute.Range
			c.required = append(c.required, requirement{text, fmt.Sprintf("%s:%d", where.Filename, where.Start.Line)})
		}
	}
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "backend":
			c.backend, c.settings = inner.Labels[0], literals(inner.Body)
			c.backendFile, c.backendLine = inner.DefRange.Filename, inner.DefRange.Start.Line
		case "cloud":
			c.backend, c.settings = backendCloud, map[string]string{}
			c.backendFile, c.backendLine = inner.DefRange.Filename, inner.DefRange.Start.Line
		case "required_providers":
			attributes, _ := inner.Body.JustAttributes() // as above
			for name := range attributes {
				aws.required = aws.required || name == "aws"
			}
		}
	}
}

// literals are the attributes of a block that can be read without knowing anything else; those of nested blocks and
// objects are written with a point.
func literals(body hcl.Body) map[string]string {
	values := make(map[string]string)
	attributes, _ := body.JustAttributes() // blocks within are mistakes to it, and of no interest here
	for name, attribute := range attributes {
		value, diagnostics := attribute.Expr.Value(nil)
		if diagnostics.HasErrors() || !value.IsWhollyKnown() || value.IsNull() {
			values[name] = ""
			continue
		}
		if value.Type().IsObjectType() {
			for inner, of := range value.AsValueMap() {
				if text, ok := asText(of); ok {
					values[name+"."+inner] = text
				}
			}
			values[name] = ""
			continue
		}
		values[name], _ = asText(value)
	}
	return values
}

func literal(attribute *hcl.Attribute) (string, bool) {
	value, diagnostics := attribute.Expr.Value(nil)
	if diagnostics.HasErrors() {
		return "", false
	}
	return asText(value)
}

func asText(value cty.Value) (string, bool) {
	switch {
	case value.IsNull() || !value.IsKnown():
		return "", false
	case value.Type() == cty.String:
		return value.AsString(), true
	case value.Type() == cty.Bool:
		return fmt.Sprint(value.True()), true
	case value.Type() == cty.Number:
		return value.AsBigFloat().Text('f', -1), true
	default:
		return "", false
	}
}

// awsUse is whether AWS's provider is used, and whether its blocks bring credentials of their own.
type awsUse struct{ required, ownCredentials bool }

func (u *awsUse) provider(block *hcl.Block) {
	if block.Labels[0] != "aws" {
		return
	}
	u.required = true
	attributes, _ := block.Body.JustAttributes() // as above
	for name := range attributes {
		u.ownCredentials = u.ownCredentials || bringsCredentials(name)
	}
	content, _, _ := block.Body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "assume_role_with_web_identity"}}})
	u.ownCredentials = u.ownCredentials || len(content.Blocks) > 0
}

// bringsCredentials reports whether a setting of AWS's provider or of the S3 backend says where credentials come from.
func bringsCredentials(name string) bool {
	return slices.Contains([]string{
		"access_key", "secret_key", "profile", "shared_credentials_files", "shared_credentials_file", "shared_config_files",
		"assume_role_with_web_identity", "skip_credentials_validation",
	}, name)
}
