package chatops

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func releasesCommand() Command {
	return Command{
		Name: "releases", Args: "[environment]", Does: "Lists the releases of an environment.", Who: Read, Closed: true,
		Examples: []Example{{"/releases production", "Answers with the last releases of production."}},
		gather: func(ctx context.Context, d *Desk, f *facts, args string) (*Refusal, error) {
			command, _ := find("releases")
			word, no := oneWord(strings.Fields(args), command.Usage())
			if no != nil {
				return no, nil
			}
			if no, err := d.gatherPlace(ctx, f, word); no != nil || err != nil {
				return no, err
			}
			var err error
			f.env.releases, err = d.ledger.Releases(ctx, pipeline.ReleaseFilter{
				RepositoryID: f.repository.ID, Environment: f.env.rules.Name, Limit: listedReleases,
			})
			return nil, err
		},
		decide: func(f facts, _ string) (order, *Refusal) { return order{Said: releaseTable(f)}, nil },
		do:     func(_ context.Context, _ *Desk, _ facts, o order) (string, error) { return o.Said, nil },
	}
}

const listedReleases = 20

func releaseTable(f facts) string {
	name := code(f.env.rules.Name)
	if len(f.env.releases) == 0 {
		return name + " has no release yet."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The last releases of %s:\n\n| Release | Commit | What | By | Approved by | When |\n| ---: | --- | --- | --- | --- | --- |\n", name)
	for _, r := range f.env.releases {
		number := fmt.Sprint(r.Number)
		if r.Number == f.env.state.Release {
			number = "**" + number + "** (now)"
		}
		what := code(r.Title)
		if r.Of > 0 {
			what = fmt.Sprintf("rollback to release %d", r.Of)
		}
		approvers := make([]string, 0, len(r.Approvals))
		for _, a := range r.Approvals {
			approvers = append(approvers, a.By)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", number, code(short(r.Commit)), what, code(r.Actor), codes(approvers),
			r.At.UTC().Format("2006-01-02 15:04 UTC"))
	}
	b.WriteString("\n" + code(fmt.Sprintf("/rollback %s --to RELEASE", f.env.rules.Name)) + " brings one back.")
	return b.String()
}

// sortedKeys are the keys of several maps, each once.
func sortedKeys(all ...map[string]string) []string {
	keys := make(map[string]bool)
	for _, m := range all {
		for k := range m {
			keys[k] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

func isMissing(err error) bool { return errors.Is(err, pipeline.ErrNotFound) }
