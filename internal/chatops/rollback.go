package chatops

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slipwayhq/slipway/internal/markdown"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

func rollbackCommand() Command {
	return Command{
		Name: "rollback", Args: "[environment] [--to RELEASE|SHA] [--infra]",
		Does: "Brings back an earlier release of an environment.", Who: Deployers, Closed: true, lasts: true,
		More: "Without `--to` the release before the current one. Nothing is built again: the release's images and manifests are deployed as " +
			"they were. The infrastructure is left alone unless `--infra` is said. Afterwards nothing is deployed there by itself until somebody " +
			"says `/deploy` or `/unlock`. A rollback is authorised and approved like a deploy, unless the environment says " +
			"`rollback-without-approval`; a freeze does not hold it.",
		Examples: []Example{
			{"/rollback production", "Brings back the release before the current one."},
			{"/rollback production --to 12", "Brings back release 12."},
		},
		gather: gatherRollback,
		decide: func(f facts, args string) (order, *Refusal) {
			o, no := decideDeploy(f, args)
			o.Said = preview(f)
			return o, no
		},
		do: submitDeploy,
	}
}

func gatherRollback(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
	command, _ := find("rollback")
	infra, words := toggle(strings.Fields(args), "infra")
	to, named, words := takeFlag(words, "to")
	if named && to == "" {
		return &Refusal{Why: "`--to` names nothing.", Do: "Write `--to` and the number of a release, or its commit; `/releases` lists them."}, nil
	}
	word, no := oneWord(words, command.Usage())
	if no != nil {
		return no, nil
	}
	if no, err := d.gatherPlace(ctx, f, word); no != nil || err != nil {
		return no, err
	}
	if no := f.notDeployer(); no != nil {
		return no, nil
	}
	return d.prepareRollback(ctx, f, to, infra)
}

// prepareRollback finds the release, and asks what the gate would say.
func (d *Desk) prepareRollback(ctx context.Context, f *facts, to string, infra bool) (*Refusal, error) {
	name := f.env.rules.Name
	var err error
	if f.env.releases, err = d.ledger.Releases(ctx, pipeline.ReleaseFilter{RepositoryID: f.repository.ID, Environment: name}); err != nil {
		return nil, fmt.Errorf("releases of %s: %w", name, err)
	}
	chosen, no, err := d.chooseRelease(ctx, f, to)
	if no != nil || err != nil {
		return no, err
	}
	f.env.chosen = chosen
	f.env.trigger = pipeline.Trigger{
		Event: pipeline.EventDeploy, Repository: f.repository, SHA: chosen.Commit, Ref: chosen.Ref, Branch: chosen.Branch,
		PullRequest: f.number, Actor: f.asker.name, Title: chosen.Title, Delivery: f.word.Cause, ReceivedAt: d.clock.Now(),
		Deploy: &pipeline.Deploy{
			Environment: name, Action: pipeline.ActionRollback, Release: chosen.Number, Infra: infra, Comment: f.comment.ID,
		},
	}
	f.env.prospect, err = d.gate.Prospect(ctx, f.env.trigger, f.env.rules)
	return nil, err
}

// chooseRelease finds the release that is brought back: by number, by commit, or the one before the current one.
func (d *Desk) chooseRelease(ctx context.Context, f *facts, to string) (pipeline.Release, *Refusal, error) {
	name := f.env.rules.Name
	list := "`/releases " + name + "` lists what there is."
	if len(f.env.releases) == 0 {
		return pipeline.Release{}, &Refusal{Why: fmt.Sprintf("%s has no release yet.", code(name)), Do: "`/deploy " + name + "` makes the first one."}, nil
	}
	if to == "" {
		r, ok := before(f.env.releases, f.env.state.Release)
		if !ok {
			return r, &Refusal{Why: fmt.Sprintf("There is no release of %s before the current one.", code(name)), Do: list}, nil
		}
		return r, nil, nil
	}
	if number, err := strconv.ParseInt(to, 10, 64); err == nil && len(to) < minSHA {
		r, err := d.ledger.Release(ctx, f.repository.ID, name, number)
		if isMissing(err) {
			return r, &Refusal{Why: fmt.Sprintf("There is no release %d of %s.", number, code(name)), Do: list}, nil
		}
		if err == nil && number == f.env.state.Release {
			return r, &Refusal{Why: fmt.Sprintf("%s runs release %d now.", code(name), number), Do: list}, nil
		}
		return r, nil, err
	}
	for _, r := range f.env.releases {
		if len(to) >= minSHA && strings.HasPrefix(r.Commit, strings.ToLower(to)) {
			return r, nil, nil
		}
	}
	return pipeline.Release{}, &Refusal{Why: fmt.Sprintf("No release of %s is of the commit %s.", code(name), code(to)), Do: list}, nil
}

// minSHA is how much of a commit must be written, so that it is neither a number nor by chance another one.
const minSHA = 7

// before is the release before the current one. Of a rollback what it brought back counts, for the current one as for the
// one before it: the release that a rollback replaced is not what anybody wants back.
func before(releases []pipeline.Release, current int64) (pipeline.Release, bool) {
	if current == 0 {
		return releases[0], true // it was taken down
	}
	effective := broughtBack(releases, current).Number
	for _, r := range releases {
		if r.Number < effective {
			return broughtBack(releases, r.Number), true
		}
	}
	return pipeline.Release{}, false
}

// broughtBack is the release with that number, or the one that it brought back, as far as that is listed.
func broughtBack(releases []pipeline.Release, number int64) pipeline.Release {
	found := pipeline.Release{Number: number}
	for range releases {
		i := slices.IndexFunc(releases, func(r pipeline.Release) bool { return r.Number == number })
		if i < 0 {
			break
		}
		if found = releases[i]; found.Of == 0 {
			break
		}
		number = found.Of
	}
	return found
}

// preview says what a rollback would change.
func preview(f facts) string {
	was := "nothing of ours"
	images := map[string]string{}
	for _, r := range f.env.releases {
		if r.Number == f.env.state.Release {
			was = fmt.Sprintf("release %d (%s)", r.Number, code(short(r.Commit)))
			images = r.Images()
		}
	}
	to := f.env.chosen
	var b strings.Builder
	fmt.Fprintf(&b, "Rolls %s back from %s to **release %d** (%s, deployed %s by %s).", code(f.env.rules.Name), was, to.Number,
		code(short(to.Commit)), to.At.UTC().Format("2006-01-02 15:04 UTC"), code(to.Actor))
	if rows := imageRows(images, to.Images()); rows != "" {
		b.WriteString("\n\n| Image | Now | Then |\n| --- | --- | --- |\n" + rows)
	}
	b.WriteString("\n\nNothing is built again. Afterwards nothing is deployed there by itself until somebody says " +
		code("/deploy "+f.env.rules.Name) + " or " + code("/unlock "+f.env.rules.Name) + ".")
	return b.String()
}

func imageRows(now, then map[string]string) string {
	var b strings.Builder
	for _, name := range sortedKeys(now, then) {
		if now[name] != then[name] {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", code(name), markdown.Code(now[name]), markdown.Code(then[name]))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func short(sha string) string {
	const shown = 12
	if len(sha) > shown {
		return sha[:shown]
	}
	return sha
}
