package runner

import (
	"context"
	"io"
	"os"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Stage is a stage kind: a small program in a process of its own.
type Stage interface {
	// Run carries out the task. A red build is a verdict; an error is our own trouble (the runner makes it an
	// infrastructure failure). When ctx ends the stage returns promptly; the runner knows whether that was a timeout
	// or a cancel and writes the verdict itself, with the Cause of the stage's own, if it has one, behind it.
	Run(ctx context.Context, s Session) (pipeline.Verdict, error)
}

// Session is what a stage has of the world. Everything it emits is masked on its way out. Safe for concurrent use.
type Session interface {
	Task() pipeline.Task
	// Dir is the checkout, absolute; the same path inside and outside the sandbox.
	Dir() string
	// Root opens files of the checkout without following links out of it.
	Root() *os.Root
	// Scratch is a private folder outside the checkout that commands may write; gone after the stage.
	Scratch() string
	// CacheDir is a folder kept between runs of the repository under that name (contract: shared only by trusted
	// commits). Commands see it at the same path. Concurrent stages may share it.
	CacheDir(name string) (string, error)
	// Secret returns a secret the stage names, or one its kind implies and somebody has set.
	Secret(name string) (string, bool)
	// File returns what the stage's preparation kept with KeepPrivate or, in a rollback, a file of the release.
	File(name string) ([]byte, bool)

	// Command runs a tool in the sandbox and streams its output into the log.
	Command(ctx context.Context, c Command) (Exit, error)
	// Step times a part of the stage, tells its start and its end, and heads its log lines. fn returns a short detail.
	Step(ctx context.Context, name string, fn func(context.Context) (detail string, err error)) error

	Log(text string)
	Progress(text string)
	Section(pipeline.Section)
	Finding(pipeline.Finding)
	Output(name, value string)
	// Artifact keeps the file at path (absolute, or relative to the checkout; no link) under name.
	Artifact(name, path string) error
	// Part fixes a part of the candidate: what people approve and what alone may be applied afterwards. A later part of
	// the same kind and name takes the place of an earlier one.
	Part(pipeline.Part)
	// Conceal masks a value that is no secret of the task, such as a token that was made from one, in everything that is
	// told from now on and in the output of commands that begin after it. Values under four characters are refused.
	Conceal(name, value string) error
	// KeepPrivate keeps content for the second step of the stage, encrypted. Nobody is shown it, and it is not masked. Each
	// name can be kept once.
	KeepPrivate(name string, content []byte) error
}

// Command is one tool run. It is an argument list, never a shell line built from someone's text.
type Command struct {
	Args []string
	// Dir is relative to the checkout; empty: the checkout.
	Dir string
	// Env is added to the task's environment and wins over it. Entries are KEY=value.
	Env []string
	// Secrets are names of secrets of the task that this command may see; nothing else does.
	Secrets []string
	// Stdin is given to the command; nil: nothing.
	Stdin []byte
	// Capture keeps up to MaxCapture bytes of standard output in Exit.Stdout.
	Capture bool
	// Quiet keeps standard output out of the log (a JSON report on stdout). Standard error is always logged.
	Quiet bool
	// Stdout, where set, receives standard output as it is, unmasked and out of the log: a stage that reads it tells what it
	// makes of it. It is written by one goroutine.
	Stdout io.Writer
	// Image, where set, is the container image the command runs in.
	Image string
	// Shown are further folders of the machine that the command may read. They are the operator's, never a repository's.
	Shown []string
	// Line, where set, sees every line of output (masked) as it comes: for progress.
	Line func(string)
}

// MaxCapture bounds Exit.Stdout.
const MaxCapture = 32 << 20

// Exit is how a command ended. A non-zero code is no error.
type Exit struct {
	Code   int
	Signal string // "killed", when a signal ended it
	Stdout []byte
	// OutOfMemory: the kernel killed something of it for memory.
	OutOfMemory bool
}

// OK reports a zero exit.
func (e Exit) OK() bool { return e.Code == 0 && e.Signal == "" }
