package terraform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/slipwayhq/slipway/internal/report"
)

// errored is where Terraform leaves a state that its backend did not take. The checkout is gone after the stage, and with
// it would be all knowledge of what was made.
const errored = "errored.tfstate"

// removeErrored takes away one that was committed: it must not be taken for one that this stage made.
func (a *attempt) removeErrored() error {
	if err := a.s.Root().RemoveAll(a.inDir(errored)); err != nil {
		return fmt.Errorf("remove %s: %w", a.inDir(errored), err)
	}
	return nil
}

// rescue writes a state that could not be written at first, or else keeps it on this machine, and says so. Empty: there
// is none.
func (a *attempt) rescue(ctx context.Context) string {
	if _, err := a.s.Root().Lstat(a.inDir(errored)); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	ctx, cancel := a.detached(ctx)
	defer cancel()
	exit, err := a.run(ctx, command{args: []string{"state", "push", "-no-color", "-lock-timeout=5s", errored}, access: true})
	if err == nil && exit.OK() {
		return "The state could not be written at first; it was afterwards, and nothing is lost."
	}
	name := fmt.Sprintf("errored-%s.tfstate", a.s.Task().ID)
	if err := a.keepErrored(name); err != nil {
		return sentence("The state could not be written, and could not be kept either: " + err.Error())
	}
	return fmt.Sprintf("The state could not be written. It is kept on the machine of the runner, as %s/%s in the repository's cache: `%s state push FILE` writes it once the backend answers. Do not apply before.",
		stateCache, name, a.tool.program())
}

func (a *attempt) keepErrored(name string) (err error) {
	from, err := report.Open(a.s.Root(), a.inDir(errored))
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // opened for reading
	cache, err := a.s.CacheDir(stateCache)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(cache)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := root.RemoveAll(name); err != nil {
		return err
	}
	to, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close())
}
