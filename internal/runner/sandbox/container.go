package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/runner/process"
)

const (
	// engineFor bounds a question to the container engine; pulling an image is not one.
	engineFor = 15 * time.Second
	// maxProcesses bounds the processes of a container.
	maxProcesses = 4096
	// engineFailed is the exit code of `docker run` when the engine, not the command, failed.
	engineFailed = 125
)

// TaskLabel marks containers with the folder of the task they belong to, so that those of a lost runner can be found.
const TaskLabel = "slipway.task"

// EngineVariables tell the docker command where the engine is.
var EngineVariables = []string{"DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"} //nolint:gochecknoglobals // a constant list; Go has no constant slices

// EngineError says that a command could not run in its image.
type EngineError struct {
	Image  string
	Detail string
}

func (e *EngineError) Error() string {
	return fmt.Sprintf("the stage asks for the image %s, and %s", e.Image, e.Detail)
}

// Containers runs commands in images through the Docker command line.
type Containers struct {
	policy Policy
	task   string
	docker string
	env    []string
	// run runs the docker command to ask something.
	run func(*exec.Cmd) error
}

// NewContainers asks whether an engine answers. image is named in the error when none does.
func NewContainers(ctx context.Context, policy Policy, reaper *process.Reaper, task, image string) (*Containers, error) {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil, &EngineError{image, "there is no docker command on this machine: install Docker, or drop `image` to use the machine's own tools"}
	}
	c := &Containers{policy: policy, task: task, docker: docker, env: engineEnv(), run: reaper.Command}
	ctx, cancel := context.WithTimeout(ctx, engineFor)
	defer cancel()
	if _, err := c.ask(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return nil, &EngineError{image, fmt.Sprintf(
			"Docker does not answer (%v): start the engine and let the bot's user reach it, or drop `image` to use the machine's own tools", err)}
	}
	return c, nil
}

// engineEnv is what the docker command may know of ours: where the engine is.
func engineEnv() []string {
	env := []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH")}
	for _, name := range EngineVariables {
		if value, found := os.LookupEnv(name); found {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (c *Containers) ask(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.docker, args...) //nolint:gosec // an argument list without a shell
	cmd.Env = c.env
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := c.run(cmd); err != nil {
		if text := strings.TrimSpace(errOut.String()); text != "" {
			return "", errors.New(lastLine(text))
		}
		return "", err
	}
	return strings.TrimSpace(out.String()), nil
}

func lastLine(text string) string { return text[strings.LastIndexByte(text, '\n')+1:] }

// Container is a command ready to run in an image.
type Container struct {
	Prepared
	containers *Containers
	name       string
}

// Prepare makes a command ready. name is unique on the machine.
func (c *Containers) Prepare(command Command, image, name string, input bool) (*Container, error) {
	if strings.HasPrefix(image, "-") || image == "" {
		return nil, &EngineError{image, "that is no name of an image"}
	}
	envFile, envArgs, env, err := c.environment(command.Env, image)
	if err != nil {
		return nil, err
	}
	args := []string{
		c.docker, "run", "--name", name, "--label", TaskLabel + "=" + c.task, "--init", "--cap-drop", "ALL",
		"--security-opt", "no-new-privileges", "--pids-limit", strconv.Itoa(maxProcesses), "--ulimit", "core=0",
		"--user", fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), "--network", c.network(), "--workdir", command.Dir,
		"--env-file", "/proc/self/fd/3",
	}
	args = append(args, envArgs...)
	if c.policy.MemoryBytes > 0 {
		args = append(args, "--memory", strconv.FormatInt(c.policy.MemoryBytes, 10))
	}
	if input {
		args = append(args, "--interactive")
	}
	for _, path := range append([]string{c.policy.Checkout, c.policy.Scratch}, command.Writable...) {
		args = append(args, "--mount", mount(path, false))
	}
	for _, path := range slices.Concat(c.policy.ReadOnly, command.ReadOnly) {
		args = append(args, "--mount", mount(path, true))
	}
	args = append(args, "--entrypoint", command.Args[0], image)
	container := &Container{containers: c, name: name}
	container.Prepared = Prepared{
		Spec: process.Spec{
			Args: append(args, command.Args[1:]...), Env: env, Dir: "/", Files: []*os.File{envFile},
			Interrupt: func(int) { container.signal("INT") },
		},
		Check: func(result process.Result) error {
			if result.Code == engineFailed && !result.Stopped {
				return &EngineError{image, "Docker could not start it: its last lines in the log say why"}
			}
			return nil
		},
	}
	return container, nil
}

func (c *Containers) network() string {
	if c.policy.Network == NetworkIsolated {
		return "none"
	}
	return "host"
}

// mount writes a bind for --mount, whose fields are CSV.
func mount(path string, readOnly bool) string {
	field := func(text string) string {
		if strings.ContainsAny(text, ",\"\n") {
			return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
		}
		return text
	}
	text := "type=bind," + field("source="+path) + "," + field("target="+path)
	if readOnly {
		text += ",readonly"
	}
	return text
}

// environment hands values over without showing them in a list of processes: in an anonymous file, whose format knows
// no line breaks, and those with line breaks through the environment of the docker command itself, which must not be
// one that command heeds. PATH is the image's.
func (c *Containers) environment(entries []string, image string) (file *os.File, args, env []string, err error) {
	env = slices.Clone(c.env)
	var lines strings.Builder
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		switch {
		case name == "PATH" || name == "":
		case !strings.ContainsAny(value, "\r\n"):
			lines.WriteString(entry + "\n")
		case strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "DOCKER_") || strings.HasPrefix(name, "GO") || name == "HOME":
			return nil, nil, nil, &EngineError{image, fmt.Sprintf("the variable %s has several lines, which cannot be handed to a container: write it in one", name)}
		default:
			args, env = append(args, "--env", name), append(env, entry)
		}
	}
	if file, err = anonymousFile(lines.String()); err != nil {
		return nil, nil, nil, err
	}
	return file, args, env, nil
}

func (c *Container) signal(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), engineFor)
	defer cancel()
	// A container that is not there yet, or no more, needs no signal; the grace and the kill follow.
	_, _ = c.containers.ask(ctx, "kill", "--signal", name, c.name) // see above
}

// Remove ends the container and reports whether the kernel killed something in it for memory.
func (c *Container) Remove(ctx context.Context) (outOfMemory bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineFor)
	defer cancel()
	killed, err := c.containers.ask(ctx, "inspect", "--format", "{{.State.OOMKilled}}", c.name)
	if err != nil {
		return false, nil // it was never made
	}
	if _, err := c.containers.ask(ctx, "rm", "--force", "--volumes", c.name); err != nil {
		return false, fmt.Errorf("remove the container %s: %w", c.name, err)
	}
	return killed == "true", nil
}

// RemoveContainers ends what a lost runner left in the engine. Without an engine there is nothing to end.
func RemoveContainers(ctx context.Context, task string) error {
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil // no engine was used
	}
	c := &Containers{docker: docker, env: engineEnv(), run: (*exec.Cmd).Run}
	ctx, cancel := context.WithTimeout(ctx, engineFor)
	defer cancel()
	ids, err := c.ask(ctx, "ps", "--all", "--quiet", "--filter", "label="+TaskLabel+"="+task)
	if err != nil {
		return fmt.Errorf("list containers of %s: %w", task, err)
	}
	if ids == "" {
		return nil
	}
	if _, err := c.ask(ctx, append([]string{"rm", "--force", "--volumes"}, strings.Fields(ids)...)...); err != nil {
		return fmt.Errorf("remove containers of %s: %w", task, err)
	}
	return nil
}
