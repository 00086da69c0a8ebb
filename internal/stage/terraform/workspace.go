package terraform

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// unmadeState is the folder of the empty state that stands for a workspace which is not there.
const unmadeState = "unmade-state"

// selectWorkspace makes the workspace where it is not there. A plan that nobody applies does not: a new workspace locks the
// state and writes into its bucket, which a role that only plans may not do at all.
func (a *attempt) selectWorkspace(ctx context.Context) error {
	if a.backend.workspace == "" {
		return nil
	}
	if !a.only() {
		return a.switchTo(ctx, "-or-create=true")
	}
	there, err := a.hasWorkspace(ctx)
	switch {
	case err != nil:
		return err
	case there:
		return a.switchTo(ctx)
	default:
		return a.planOnNothing(ctx)
	}
}

// switchTo selects the workspace. more are further arguments.
func (a *attempt) switchTo(ctx context.Context, more ...string) error {
	args := append(append([]string{"workspace", "select"}, more...), "-no-color", a.backend.workspace)
	exit, err := a.run(ctx, command{args: args, access: true})
	if err == nil && !exit.OK() {
		err = a.broken("Selecting the workspace "+a.backend.workspace, exit)
	}
	return err
}

// hasWorkspace asks the backend for its workspaces.
func (a *attempt) hasWorkspace(ctx context.Context) (bool, error) {
	var said bytes.Buffer
	exit, err := a.run(ctx, command{args: []string{"workspace", "list", "-no-color"}, access: true, stdout: &bounded{to: &said, left: maxDiff}})
	if err == nil && !exit.OK() {
		err = a.broken("Listing the workspaces", exit)
	}
	if err != nil {
		return false, err
	}
	return slices.Contains(strings.Fields(said.String()), a.backend.workspace), nil
}

// planOnNothing puts an empty state of this stage's own in the place of the backend: that is what the deploy will find.
func (a *attempt) planOnNothing(ctx context.Context) error {
	folder := filepath.Join(a.s.Scratch(), unmadeState)
	if err := makeFolder(a.s.Scratch(), unmadeState); err != nil {
		return fmt.Errorf("make the folder of the state: %w", err)
	}
	if err := a.s.Root().WriteFile(a.inDir(override), overriding(folder), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", a.inDir(override), err)
	}
	a.backend.unmade = true
	a.s.Section(pipeline.Section{
		Title: "The workspace " + a.backend.workspace,
		Text:  "It does not exist yet, so this is a plan upon an empty state. Nothing is written: the deploy makes the workspace.",
	})
	if err := a.init(ctx, []string{"-reconfigure"}); err != nil {
		return err
	}
	return a.switchTo(ctx, "-or-create=true")
}
