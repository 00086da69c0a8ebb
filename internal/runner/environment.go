package runner

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/runner/sandbox"
)

// passed are the variables of the machine that programs need and that tell nothing of the bot.
var passed = []string{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	"http_proxy", "https_proxy", "no_proxy", "PYENV_ROOT", "RUSTUP_HOME", "JAVA_HOME", "NVM_DIR", "SDKMAN_DIR",
}

// MachineEnv picks from an environment what commands may have of it: what every program needs and the names in pass.
func MachineEnv(environ, pass []string) []string {
	var env []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(passed, name) || slices.Contains(pass, name) {
			env = append(env, entry)
		}
	}
	return env
}

// ownVariables are how a machine in AWS tells what it is, where it has no metadata address: stages use it to assume a role.
var ownVariables = []string{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	// The operator's settings of Terraform: its stage takes the mirrors of providers out of the file, and nothing else.
	"TF_CLI_CONFIG_FILE",
}

// OwnEnv is MachineEnv with what tells a runner, but not its commands, where the container engine is and what the machine
// is in AWS.
func OwnEnv(environ, pass []string) []string {
	return MachineEnv(environ, slices.Concat(pass, sandbox.EngineVariables, ownVariables))
}

// sealEnvironment forgets every variable that OwnEnv does not pass: what stages and checkouts start inherits nothing.
func sealEnvironment(options Options, home string) error {
	env := OwnEnv(os.Environ(), options.PassEnv)
	os.Clearenv()
	for _, entry := range append(env, "HOME="+home) {
		name, value, _ := strings.Cut(entry, "=")
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// environment is that of a command, later entries winning: the machine, the task, the stage, its leg of the matrix, the
// secrets the command names, its own.
func (s *session) environment(c Command, files commandFiles) ([]string, error) {
	env := map[string]string{
		"LANG": "C.UTF-8", "USER": "slipway", "LOGNAME": "slipway", "SHELL": "/bin/bash",
		// Well-behaved clouds' clients do not look for the machine's own identity; docs/security.md says what else guards it.
		"AWS_EC2_METADATA_DISABLED": "true",
	}
	add := func(entries []string) {
		for _, entry := range entries {
			if name, value, found := strings.Cut(entry, "="); found && name != "" {
				env[name] = value
			}
		}
	}
	add(MachineEnv(os.Environ(), s.options.PassEnv))
	env["HOME"], env["TMPDIR"] = s.home(), filepath.Join(s.scratch, "tmp")
	if s.options.Sandbox == sandbox.ModeBubblewrap || c.Image != "" {
		env["TMPDIR"] = "/tmp" // private, and short enough for sockets
	}
	maps.Copy(env, matrixEnv(s.task.Stage.Matrix))
	maps.Copy(env, s.task.Env)
	maps.Copy(env, s.task.Stage.Env)
	for _, name := range c.Secrets {
		value, found := s.secrets[name]
		if !found {
			return nil, &Failure{"A secret is missing", "The stage uses the secret " + name + ", which it does not list in `secrets`."}
		}
		env[name] = value
	}
	add(c.Env)
	// The executor also recognises processes of a lost runner by it.
	env["SLIPWAY_OUTPUT"], env["SLIPWAY_SUMMARY"] = files.output, files.summary
	entries := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		entries = append(entries, name+"="+env[name])
	}
	return entries, nil
}

// matrixEnv is MATRIX_<NAME> for each value of the leg.
func matrixEnv(leg pipeline.MatrixLeg) map[string]string {
	env := map[string]string{}
	for _, value := range leg {
		name := strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, strings.ToUpper(value.Name))
		env["MATRIX_"+name] = value.Value
	}
	return env
}
