package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/examples"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// demoGitHub is a stand-in with an organisation, three people, and the example repository with the App installed.
func demoGitHub(ctx context.Context, dir string, machine demoMachine) (*githubtest.GitHub, error) {
	github, err := githubtest.New(githubtest.Options{
		Dir: dir, App: githubtest.AppOptions{WebhookSecret: demoSecret}, Limits: githubtest.GitHubLimits(),
	})
	if err != nil {
		return nil, err
	}
	github.Start()
	files, err := examples.Files()
	if err == nil {
		err = machine.adapt(files)
	}
	if err == nil {
		err = errors.Join(
			github.AddUser("alice", "Alice Moreau"), github.AddUser("bob", "Bob Tanaka"), github.AddUser("carol", "Carol Singh"),
			github.AddOrganization("acme", "alice", "bob", "carol"),
			github.AddTeam("acme", "platform", ""), github.AddTeamMember("acme", "platform", "carol", false),
			// Bob may approve, too, but not what he asked for himself.
			github.AddTeamMember("acme", "platform", "bob", false),
			github.AddRepository(ctx, demoRepository, githubtest.RepositoryOptions{
				Description: "Flask, MongoDB and Redis: the example of Slipway", Files: files, Author: "alice",
			}),
			github.AddCollaborator(demoRepository, "alice", "write"), github.AddCollaborator(demoRepository, "bob", "write"),
			github.AddCollaborator(demoRepository, "carol", "maintain"))
	}
	if err == nil {
		_, err = github.Install("acme")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the GitHub stand-in: %w", err), github.Close()) //nolint:contextcheck // it closes whatever became of ctx
	}
	return github, nil
}

// demoPush clones the example as Alice does, commits and pushes with git, and waits for the run.
func demoPush(
	ctx context.Context, github *githubtest.GitHub, work string, say func(string), ended *finish,
) (pipeline.Run, error) {
	token, err := github.UserToken("alice")
	if err != nil {
		return pipeline.Run{}, err
	}
	clone := filepath.Join(work, "alice")
	address := strings.Replace(github.URLs().Clone, "://", "://alice:"+token+"@", 1) + demoRepository + ".git"
	say("Alice clones " + github.URLs().Clone + demoRepository + ".git, changes the README and pushes to main.")
	if err := demoCommit(ctx, clone, address); err != nil {
		return pipeline.Run{}, err
	}
	return demoApprove(ctx, github, say, ended)
}

// demoApprove waits for the end of the run. When it waits for an approval, Carol gives it, as one gives it on GitHub.
func demoApprove(ctx context.Context, github *githubtest.GitHub, say func(string), ended *finish) (pipeline.Run, error) {
	approved := false
	for {
		select {
		case run := <-ended.changed:
			if run.Status.Final() {
				return run, nil
			}
			if approved {
				continue
			}
			approved = true
			if err := demoPress(ctx, github, run, "carol", "Approve", say); err != nil {
				return run, err
			}
		case <-ctx.Done():
			return pipeline.Run{}, ctx.Err()
		}
	}
}

// demoPress waits until a check of the run shows a button, and presses it.
func demoPress(ctx context.Context, github *githubtest.GitHub, run pipeline.Run, who, label string, say func(string)) error {
	var found githubtest.CheckRun
	var button string
	err := github.Wait(ctx, func() bool {
		for _, check := range github.CheckRuns(demoRepository, run.Trigger.SHA) {
			for _, action := range check.Actions {
				if action.Label == label {
					found, button = check, action.Identifier
					return true
				}
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	say(fmt.Sprintf("Carol, of the team that may approve, presses %s at the check %s.", label, found.Name))
	return github.As(who).ClickAction(demoRepository, found.ID, button)
}

func demoCommit(ctx context.Context, clone, address string) error {
	git := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // arguments are ours
		cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	if err := git("clone", "--quiet", address, clone); err != nil {
		return err
	}
	readme, err := os.OpenFile(filepath.Join(clone, "README.md"), os.O_APPEND|os.O_WRONLY, 0) //nolint:gosec // in a folder of our own
	if err != nil {
		return err
	}
	_, err = readme.WriteString("\nThis commit was pushed by `slipway demo`.\n")
	if err := errors.Join(err, readme.Close()); err != nil {
		return err
	}
	return errors.Join(
		git("-C", clone, "-c", "user.name=Alice Moreau", "-c", "user.email=alice@users.noreply.github.test", "commit", "--quiet", "--all",
			"--message", "docs: say how this commit came here"),
		git("-C", clone, "push", "--quiet", "origin", "HEAD:main"))
}
