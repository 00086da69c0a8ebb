//go:build tools

// Package provider pins the provider hashicorp/local that tests use: a real one whose resources can drift.
package provider

import _ "github.com/terraform-providers/terraform-provider-local"
