package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/report"
)

// howMade is where an image comes from.
type howMade struct {
	// key names the inputs; empty: the build may not stand for another one.
	key string
	// earlier is the commit of the earlier build that is used.
	earlier origin
	result  buildkit.Result
}

// make finds the image of an earlier build of the same, or builds it.
func (a *attempt) make(ctx context.Context, st store, b building) (built, howMade, error) {
	var how howMade
	if a.reusable(b.dockerfile, b.own) {
		found, earlier, err := a.findEarlier(ctx, st, b, &how)
		if err != nil {
			return built{}, how, err
		}
		if earlier.Digest != "" {
			how.earlier = origin{earlier.Revision, earlier.Branch, earlier.Epoch}
			return found, how, nil
		}
	}
	var err error
	var made built
	made, how.result, err = a.fresh(ctx, st, b)
	return made, how, err
}

// fresh builds into a folder of its own. What it shares with kept images may be damaged there, by a disk that was full or
// by a stage that has written to the cache: then it is built once more without them.
func (a *attempt) fresh(ctx context.Context, st store, b building) (built, buildkit.Result, error) {
	for shares := true; ; shares = false {
		dir, err := st.begin(shares)
		if err != nil {
			return built{}, buildkit.Result{}, err
		}
		result, err := a.build(ctx, b, dir)
		if err != nil {
			return built{}, result, errors.Join(err, os.RemoveAll(dir))
		}
		made, err := openLayout(dir)
		if err == nil {
			err = made.verify()
		}
		if err == nil {
			return made, result, nil
		}
		if err := errors.Join(err, os.RemoveAll(dir)); !shares {
			return built{}, result, err
		}
		a.s.Log(fmt.Sprintf("What the cache holds of earlier images is damaged (%v) and is removed.", err))
		if err := st.drop(); err != nil {
			return built{}, result, err
		}
	}
}

// findEarlier asks what the base images are now. One that cannot be had is told here, before anything is built.
func (a *attempt) findEarlier(ctx context.Context, st store, b building, how *howMade) (found built, earlier record, err error) {
	err = a.s.Step(ctx, "Look up base images", func(ctx context.Context) (string, error) {
		bases, err := b.builder.Digests(ctx, b.dockerfile.bases, a.forBuilder)
		if err != nil {
			return "", a.notBuilt(b.place, err)
		}
		if how.key, err = a.inputKey(b.contents, b.place, bases, b.builder.Version()); err != nil {
			return "", err
		}
		detail := report.Count(len(bases), "base image")
		if a.task().Trigger.Fresh {
			return detail, nil
		}
		var ok bool
		if found, earlier, ok = st.earlier(how.key); ok && a.lacks(earlier) {
			earlier, detail = record{}, detail+", the image of "+short(earlier.Revision)+" has no list of its contents"
		} else if ok {
			detail += ", the image of " + short(earlier.Revision) + " was built of the same"
		}
		return detail, nil
	})
	return found, earlier, err
}

func (a *attempt) build(ctx context.Context, b building, output string) (buildkit.Result, error) {
	request, err := a.request(b)
	if err != nil {
		return buildkit.Result{}, err
	}
	request.Output, request.Watch = output, a.watch(ctx, b.place.name)
	result, err := a.buildLocally(func(to []buildkit.Cache) (buildkit.Result, error) {
		request.CacheTo = to
		return b.builder.Build(ctx, request)
	})
	if err != nil {
		return result, a.notBuilt(b.place, err)
	}
	return result, nil
}

// request is the build without where it goes to.
func (a *attempt) request(b building) (buildkit.Request, error) {
	task := a.task()
	r := buildkit.Request{
		Context: b.place.context, Dockerfile: b.place.dockerfile, Exclude: []string{".git"}, OwnFrontend: b.own,
		Target: a.settings.Target, Platforms: a.settings.Platforms, Args: a.settings.BuildArgs, Labels: a.labels(b), Epoch: b.origin.epoch,
		Secrets: a.buildSecrets(), SSHKey: a.sshKey(), Credentials: a.forBuilder,
		NoCache: a.settings.Cache == cacheNone || !task.CacheWritable,
		Scope:   task.CacheScope, Provenance: a.settings.Provenance && !b.bare, Source: a.source(), Revision: b.origin.revision,
	}
	if !task.CacheWritable {
		// A stranger's commit: its folders of caches are its own, and nothing that trusted builds left is found.
		r.Scope = task.ID
		return r, nil
	}
	var err error
	r.CacheFrom, err = a.caches()
	return r, err
}

// caches are where results of steps may be beside the builder's own memory: in the image's repository, per branch, or in a
// folder of ours.
func (a *attempt) caches() (from []buildkit.Cache, err error) {
	t := a.task().Trigger
	switch a.settings.Cache {
	case cacheRegistry:
		seen := map[string]bool{}
		for _, branch := range []string{t.Branch, t.Base, t.Repository.DefaultBranch} {
			if branch == "" || seen[branch] {
				continue
			}
			seen[branch] = true
			from = append(from, a.registryCache(branch))
		}
	case cacheLocal:
		c, err := a.openLocalCache()
		if err != nil {
			return nil, err
		}
		return c.source()
	}
	return from, nil
}

func (a *attempt) registryCache(branch string) buildkit.Cache {
	insecure := false
	for _, host := range a.options.Insecure {
		insecure = insecure || strings.EqualFold(host, a.login.host)
	}
	return buildkit.Cache{Type: cacheRegistry, Ref: a.settings.Repository + ":" + cacheTag(branch), Insecure: insecure}
}
