package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// preparedFile is what the first step keeps for the second.
const preparedFile = "image.json"

// prepared is what the second step has to know of the first.
type prepared struct {
	// Digest is what is published: an image, or an index of one for each platform with what is attached to them.
	Digest string `json:"digest"`
	// Manifests are what runs, by platform. Should the image have to be built again, these must be the same.
	Manifests map[string]string `json:"manifests"`
	Bytes     int64             `json:"bytes"`
	Layers    int               `json:"layers"`
	// Scan is what the scan said, for the title.
	Scan string `json:"scan"`
	// Reused is the commit whose image this is, ReusedBranch the branch that it was built on, ReusedEpoch when it was made.
	Reused       string    `json:"reused,omitempty"`
	ReusedBranch string    `json:"reused_branch,omitempty"`
	ReusedEpoch  time.Time `json:"reused_epoch,omitzero"`
}

// origin is the commit that an image is built of, as it says itself.
type origin struct {
	revision, branch string
	epoch            time.Time
}

// origin of an image that was used again; zero: it is the commit of the run.
func (p prepared) origin() origin { return origin{p.Reused, p.ReusedBranch, p.ReusedEpoch} }

// building is a build with all that it is made of.
type building struct {
	place      place
	dockerfile dockerfile
	contents   contents
	builder    *buildkit.Builder
	// own: BuildKit's own frontend reads the Dockerfile.
	own    bool
	origin origin
	// bare: nothing is attached.
	bare bool
}

// prepare builds and scans. Nothing is pushed.
func (a *attempt) prepare(ctx context.Context) (pipeline.Verdict, error) {
	b := building{}
	if err := a.look(ctx, &b); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.logIn(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.preflight(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.dial(ctx, &b); err != nil {
		return pipeline.Verdict{}, err
	}
	defer func() { _ = b.builder.Close() }() // nothing of the build is left on this connection
	st, err := a.openStore()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	made, how, err := a.make(ctx, st, b)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	scan, made, err := a.examine(ctx, st, b, made, how)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if how.key != "" && how.earlier.revision == "" {
		if err := st.remember(how.key, record{
			Digest: made.digest.String(), Revision: b.origin.revision, Branch: b.origin.branch, Epoch: b.origin.epoch, SBOM: a.settings.SBOM && len(scan.sboms) > 0,
		}); err != nil {
			a.s.Log(err.Error()) // the next build of the same will be done again, no more
		}
	}
	if err := st.sweep(a.task().Running); err != nil {
		a.s.Log("Old images could not be removed from the cache: " + err.Error())
	}
	return a.conclude(b, made, how, scan)
}

// look reads what is to be built, and whether it can be.
func (a *attempt) look(ctx context.Context, b *building) error {
	return a.s.Step(ctx, "Read the Dockerfile", func(ctx context.Context) (string, error) {
		var err error
		if b.place, err = a.find(); err != nil {
			return "", err
		}
		b.dockerfile, err = parse(b.place.text, a.settings.Target, a.settings.BuildArgs)
		if strange := a.strangeFrontend(b.place.name, b.dockerfile); strange != nil {
			return "", strange
		}
		if problem, ok := errors.AsType[*syntaxError](err); ok && b.dockerfile.builtIn() {
			return "", a.badDockerfile(b.place.name, "The Dockerfile cannot be read", problem)
		}
		ignored, err := a.ignores(b.place)
		if err != nil {
			return "", err
		}
		if b.contents, err = measure(ctx, b.place, ignored, a.options.MaxContext); err != nil {
			return "", err
		}
		if b.origin, err = a.originOf(ctx, b.origin); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s, context of %s in %s", b.place.name, bytesOf(b.contents.bytes), report.Count(b.contents.files, "file")), nil
	})
}

// originOf is the commit of the run, unless another one is given.
func (a *attempt) originOf(ctx context.Context, given origin) (origin, error) {
	if given.revision != "" {
		return given, nil
	}
	own := origin{revision: a.task().Trigger.SHA, branch: a.task().Trigger.Branch}
	if a.options.CommitTime == nil {
		return own, nil
	}
	var err error
	if own.epoch, err = a.options.CommitTime(ctx, a.s); err != nil {
		return own, fmt.Errorf("find out when the commit was made: %w", err)
	}
	return own, nil
}

// preflight asks the registry before minutes are spent on an image that it would refuse.
func (a *attempt) preflight(ctx context.Context) error {
	if !a.publishes() {
		return nil
	}
	return a.s.Step(ctx, "Ask the registry", func(ctx context.Context) (string, error) {
		repository, err := a.openRepository()
		if err != nil {
			return "", err
		}
		if err := repository.Preflight(ctx); err != nil {
			return "", err
		}
		return "an image may be pushed to " + a.settings.Repository, nil
	})
}

func (a *attempt) dial(ctx context.Context, b *building) error {
	return a.s.Step(ctx, "Reach the builder", func(ctx context.Context) (string, error) {
		var err error
		if b.builder, err = buildkit.Dial(ctx, a.options.Builder); err != nil {
			return "", err
		}
		b.own = a.ownFrontend(b.builder, b.dockerfile)
		detail := b.builder.String()
		if version := b.builder.Version(); version != "" {
			detail += ", " + version
		}
		return detail, nil
	})
}

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

// labels are those of the OCI's image specification.
func (a *attempt) labels(b building) map[string]string {
	labels := map[string]string{"org.opencontainers.image.revision": b.origin.revision}
	set := func(name, value string) {
		if label := "org.opencontainers.image." + name; value != "" && !b.dockerfile.labels[label] {
			labels[label] = value
		}
	}
	set("source", a.source())
	set("version", tagOf(b.origin.branch))
	if !b.origin.epoch.IsZero() {
		set("created", b.origin.epoch.UTC().Format(time.RFC3339))
	}
	return labels
}

// source is where people look at the repository.
func (a *attempt) source() string { return strings.TrimSuffix(a.task().Trigger.Repository.CloneURL, ".git") }

// conclude tells what was built, keeps what the second step needs, and judges.
func (a *attempt) conclude(b building, made built, how howMade, scan scanned) (pipeline.Verdict, error) {
	kept := prepared{
		Digest: made.digest.String(), Manifests: made.manifests(), Scan: scan.title(),
		Reused: how.earlier.revision, ReusedBranch: how.earlier.branch, ReusedEpoch: how.earlier.epoch,
	}
	layers, err := made.layers()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	for _, l := range layers {
		kept.Bytes += l.bytes
	}
	kept.Layers = len(layers)
	a.tell(b, made, how, layers, scan)
	verdict := pipeline.Verdict{
		Status: pipeline.StatusSuccess, Title: fmt.Sprintf("%s, %s; %s", report.Count(kept.Layers, "layer"), bytesOf(kept.Bytes), kept.Scan),
	}
	if cause := a.tooBad(scan); cause != "" {
		verdict.Status, verdict.Cause = pipeline.StatusFailure, cause
		a.s.Log(cause)
		return verdict, nil
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return pipeline.Verdict{}, fmt.Errorf("keep what was built: %w", err)
	}
	return verdict, errors.Join(a.keepAttached(made), a.s.KeepPrivate(preparedFile, text))
}

// short is a commit as people read it.
func short(sha string) string { return sha[:min(shortSHA, len(sha))] }
