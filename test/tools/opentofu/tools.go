//go:build tools

// Package opentofu pins the OpenTofu that tests use where no Terraform is installed.
package opentofu

import _ "github.com/opentofu/opentofu/cmd/tofu"
