package terraform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/internal/awscloud"
)

// setUp reads the configuration and finds the program for it.
func (a *attempt) setUp(ctx context.Context) error {
	return a.s.Step(ctx, "Set up Terraform", func(ctx context.Context) (string, error) {
		var err error
		if a.config, err = readConfiguration(a.s.Root(), a.settings.Dir); err != nil {
			return "", err
		}
		a.backend = newBackend(a.config, a.settings)
		if err := a.findTool(ctx); err != nil {
			return "", err
		}
		if a.varFiles, err = a.findVarFiles(); err != nil {
			return "", err
		}
		if err := a.writeCLIConfig(); err != nil {
			return "", err
		}
		return a.tool.String(), nil
	})
}

// findVarFiles finds the files of variables: by their path in the checkout, as all paths of the pipeline file, else by
// that in the folder of the root module, as on the command line.
func (a *attempt) findVarFiles() ([]string, error) {
	var files []string
	for _, name := range a.settings.VarFiles {
		found := ""
		for _, at := range []string{name, a.inDir(name)} {
			if info, err := a.s.Root().Stat(at); err == nil && info.Mode().IsRegular() {
				found = at
				break
			}
		}
		if found == "" {
			return nil, fail("There is no "+name, "The stage names the file of variables %s, and the commit has neither that nor %s.", name, a.inDir(name))
		}
		files = append(files, filepath.Join(a.s.Dir(), filepath.FromSlash(found)))
	}
	return files, nil
}

// checkAccess finds out before Terraform starts whether AWS takes the credentials, and whether the state can be there.
func (a *attempt) checkAccess(ctx context.Context) error {
	a.request = awscloud.RequestOf(a.s.Task(), a.s.Secret)
	a.request.Endpoints.STS = first(a.backend.sts(), a.request.Endpoints.STS)
	needed := a.config.usesAWS || a.backend.kind == backendS3 && !a.backend.ownCredentials()
	if a.request.Empty() && !needed {
		return nil
	}
	return a.s.Step(ctx, "Check access", func(ctx context.Context) (string, error) {
		if err := a.openAccess(ctx); err != nil {
			return "", err
		}
		if !needed && a.request.Role == "" {
			return "", nil // keys of another server, maybe, which has nothing to do with AWS
		}
		who, err := a.access.Identity(ctx)
		if err != nil {
			return "", err
		}
		a.s.Log("AWS takes the stage for " + who.ARN + ".")
		detail := who.ARN
		if a.backend.kind == backendS3 && !a.backend.ownCredentials() {
			if err := a.checkState(ctx); err != nil {
				return "", err
			}
			detail += ", state in " + a.backend.String()
		}
		return detail, nil
	})
}

func (a *attempt) openAccess(ctx context.Context) (err error) {
	if a.access, err = awscloud.Open(ctx, a.request); err != nil {
		return err
	}
	for name, value := range a.access.Secrets() {
		if err := a.s.Conceal(name, value); err != nil {
			return err
		}
	}
	return nil
}

// checkState looks for the bucket of the state and the table of its locks.
func (a *attempt) checkState(ctx context.Context) error {
	if bucket := a.backend.bucket(); bucket.Name != "" {
		if err := a.access.CheckBucket(ctx, bucket); err != nil {
			if problem, ok := errors.AsType[*awscloud.Problem](err); ok {
				problem.Cause += " It is to hold the Terraform state."
			}
			return err
		}
	}
	if table := a.backend.table(); table.Name != "" {
		return a.access.CheckTable(ctx, table)
	}
	return nil
}

// initialise fetches providers and modules and connects the backend. more are further arguments.
func (a *attempt) initialise(ctx context.Context, more ...string) error {
	return a.s.Step(ctx, "Initialize", func(ctx context.Context) (string, error) {
		// Modules and settings of somebody's own machine may have been committed.
		if err := a.s.Root().RemoveAll(a.inDir(".terraform")); err != nil {
			return "", fmt.Errorf("remove %s: %w", a.inDir(".terraform"), err)
		}
		if err := a.removeErrored(); err != nil {
			return "", err
		}
		if a.backend.kind == backendLocal {
			if err := a.keepLocalState(); err != nil {
				return "", err
			}
		}
		if err := a.init(ctx, more); err != nil {
			return "", err
		}
		return a.backend.String(), a.selectWorkspace(ctx)
	})
}

func (a *attempt) init(ctx context.Context, more []string) error {
	release, err := a.lockPlugins(ctx)
	if err != nil {
		return err
	}
	defer release()
	args := []string{"init", "-input=false", "-no-color"}
	if a.backend.kind != backendLocal && !a.backend.unmade {
		for _, name := range sortedKeys(a.settings.BackendConfig) {
			args = append(args, "-backend-config="+name+"="+a.settings.BackendConfig[name])
		}
	}
	args = append(args, more...)
	if a.tool.Version.Core().LessThan(jsonInit) {
		exit, err := a.run(ctx, command{args: args, access: true})
		if err == nil && !exit.OK() {
			err = a.broken("terraform init", exit)
		}
		return err
	}
	exit, err := a.stream(ctx, append(args, "-json"), nil)
	if err == nil && !exit.OK() {
		err = a.broken("terraform init", exit)
	}
	return err
}

// lockPlugins lets one init at a time write the shared cache of providers: Terraform does not guard it. What is in it is
// only read by others, and each holds it against its lock file's checksums.
func (a *attempt) lockPlugins(ctx context.Context) (release func(), err error) {
	cache, err := a.s.CacheDir(pluginCache)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(cache)
	if err != nil {
		return nil, fmt.Errorf("lock the cache of providers: %w", err)
	}
	defer root.Close() //nolint:errcheck // only opened through
	file, err := root.OpenFile(".slipway-lock", os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the cache of providers: %w", err)
	}
	locked := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				locked <- err
				return
			}
		}
	}()
	select {
	case err = <-locked:
	case <-ctx.Done():
		go func() { <-locked; _ = file.Close() }() //nolint:errcheck // whenever its turn comes, it is let go at once
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock the cache of providers: %w", err), file.Close())
	}
	return func() { _ = file.Close() }, nil // nothing was written; the lock goes with it
}
