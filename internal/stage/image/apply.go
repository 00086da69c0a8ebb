package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
	"github.com/slipwayhq/slipway/internal/signature"
)

// apply publishes what was prepared: by its digest first, then its signature, last its tags.
func (a *attempt) apply(ctx context.Context) (pipeline.Verdict, error) {
	kept, err := a.kept()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if a.settings.Push == pushNever || a.settings.Repository == "" {
		return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "Built, not pushed: push is never; " + kept.Scan}, nil
	}
	if err := a.logIn(ctx); err != nil {
		return pipeline.Verdict{}, err
	}
	repository, err := a.openRepository()
	if err != nil {
		return pipeline.Verdict{}, err
	}
	made, err := a.found(ctx, &kept)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	if err := a.push(ctx, repository, made); err != nil {
		return pipeline.Verdict{}, err
	}
	signed, err := a.sign(ctx, repository, kept.Digest)
	if err != nil {
		return pipeline.Verdict{}, err
	}
	// Before the tags: what comes after them, a cancel would end a stage that has published.
	a.keepCache(ctx, repository, kept)
	named := tags(a.settings.Tags, a.task().Trigger, a.task().RunNumber)
	if err := a.tag(ctx, repository, kept.Digest, named); err != nil {
		return pipeline.Verdict{}, err
	}
	a.tellPublished(repository, kept, named, signed)
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: fmt.Sprintf("Published %s; %s", strings.Join(shortTags(named), ", "), kept.Scan)}, nil
}

// kept reads what the first step has left.
func (a *attempt) kept() (prepared, error) {
	var kept prepared
	text, found := a.s.File(preparedFile)
	if !found {
		return kept, errors.New("what the first step has built is not told")
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return kept, fmt.Errorf("read what the first step has built: %w", err)
	}
	return kept, nil
}

// found is the image of the first step. Where the cache has lost it, it is built again, and must be the same.
func (a *attempt) found(ctx context.Context, kept *prepared) (built, error) {
	st, err := a.openStore()
	if err != nil {
		return built{}, err
	}
	made, found := st.find(kept.Digest)
	if found && made.verify() == nil {
		return made, nil
	}
	if err := os.RemoveAll(st.folder(kept.Digest)); err != nil {
		return built{}, fmt.Errorf("remove the damaged image: %w", err)
	}
	a.s.Log("The image that was built is not in the cache any more, or not whole, so it is built again.")
	if made, err = a.again(ctx, st, *kept); err != nil {
		return built{}, err
	}
	if made.digest.String() != kept.Digest {
		a.s.Log("The images are the same, with other statements about how they were built: they are published as " + made.digest.String() + ".")
		kept.Digest = made.digest.String()
	}
	return made, nil
}

func wordsOf(manifests map[string]string) string {
	words := make([]string, 0, len(manifests))
	for platform, digest := range manifests {
		words = append(words, platform+" "+digest)
	}
	return strings.Join(words, ", ")
}

// again builds what the first step has built, mostly from the builder's own memory, and attaches what was attached.
func (a *attempt) again(ctx context.Context, st store, kept prepared) (built, error) {
	b := building{origin: kept.origin()}
	if err := a.look(ctx, &b); err != nil {
		return built{}, err
	}
	if err := a.dial(ctx, &b); err != nil {
		return built{}, err
	}
	defer func() { _ = b.builder.Close() }() // nothing of the build is left on this connection
	beside, some, err := a.keptAttached()
	if err != nil {
		return built{}, err
	}
	b.bare = some
	made, _, err := a.fresh(ctx, st, b)
	if err != nil {
		return built{}, err
	}
	if !maps.Equal(made.manifests(), kept.Manifests) {
		return built{}, errors.Join(moved(kept, made), os.RemoveAll(made.dir))
	}
	if some {
		if made, err = made.withAttached(beside); err != nil {
			return built{}, err
		}
	}
	dir, err := st.keep(made)
	if err != nil {
		return built{}, err
	}
	return openLayout(dir)
}

func moved(kept prepared, made built) error {
	return fail("The image has moved", fmt.Sprintf(
		"The image that was built and scanned (%s) was lost, and building it again gives another one (%s): something the build fetches has changed. Retry the stage, so that what is published is what was scanned.",
		wordsOf(kept.Manifests), wordsOf(made.manifests())))
}

func (a *attempt) push(ctx context.Context, to *registry.Repository, made built) error {
	return a.s.Step(ctx, "Push", func(ctx context.Context) (string, error) {
		told := time.Time{}
		digest, err := to.Push(ctx, made.content(), func(done, total int64) {
			if now := a.options.Now(); now.Sub(told) > time.Second {
				told = now
				a.s.Progress(fmt.Sprintf("Pushing, %s of %s", bytesOf(done), bytesOf(total)))
			}
		})
		return digest, err
	})
}

// sign signs what was pushed, before anything points to it.
func (a *attempt) sign(ctx context.Context, in *registry.Repository, digest string) (bool, error) {
	text, set := a.s.Secret(secretSignKey)
	if !set {
		return false, nil
	}
	err := a.s.Step(ctx, "Sign", func(ctx context.Context) (string, error) {
		password, _ := a.s.Secret(secretSignWord)
		key, err := signature.ParseKey(text, password)
		if err != nil {
			return "", fail("The key for signing cannot be used", fmt.Sprintf("%s: %v.", secretSignKey, err))
		}
		if err := signature.Sign(ctx, in, digest, key); err != nil {
			return "", err
		}
		if err := signature.Verify(ctx, in, digest, key.Public()); err != nil {
			return "", err
		}
		return signature.Tag(digest), nil
	})
	return err == nil, err
}

func (a *attempt) tag(ctx context.Context, in *registry.Repository, digest string, named []string) error {
	return a.s.Step(ctx, "Move tags", func(ctx context.Context) (string, error) {
		return strings.Join(shortTags(named), ", "), in.Tag(ctx, digest, named)
	})
}

// shortTags has commits as people read them.
func shortTags(named []string) []string {
	const fullSHA = 40
	all := make([]string, 0, len(named))
	for _, tag := range named {
		if len(tag) == fullSHA && strings.Trim(tag, "0123456789abcdef") == "" {
			tag = short(tag)
		}
		all = append(all, tag)
	}
	return all
}

func (a *attempt) tellPublished(in *registry.Repository, kept prepared, named []string, signed bool) {
	image := in.Reference(kept.Digest)
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Tag"}, {Name: "Image"}}}
	for _, tag := range named {
		table.Rows = append(table.Rows, []string{tag, in.String() + ":" + tag})
	}
	// As code, which is copied as it stands: in text an @ gets company, so that it calls nobody.
	text, code := bytesOf(kept.Bytes)+", by its digest:", image
	if signed {
		text = bytesOf(kept.Bytes) + ", signed, by its digest, and how to verify it:"
		code += "\ncosign verify --key cosign.pub --insecure-ignore-tlog " + image
	}
	a.s.Section(pipeline.Section{Title: "Published", Text: text, Table: &table, Code: code})
	a.s.Output("image", image)
	a.s.Output("digest", kept.Digest)
	a.s.Output("repository", in.String())
	a.s.Output("tags", strings.Join(named, ","))
	a.s.Part(pipeline.Part{Kind: pipeline.PartImage, Name: a.task().Stage.ID, Value: image, Detail: strings.Join(shortTags(named), ", ")})
}

// cacheFor bounds how long the cache of a build may take to be sent.
const cacheFor = 5 * time.Minute

// keepCache sends the results of the build's steps to the registry, for builders that do not have them. It belongs to the
// second step, because a build whose tests fail must leave nothing there. Where nothing was built, the cache of the earlier
// build becomes that of the branch, too.
func (a *attempt) keepCache(ctx context.Context, in *registry.Repository, kept prepared) {
	if a.settings.Cache != cacheRegistry || !a.task().CacheWritable {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cacheFor, errors.New("it took too long"))
	defer cancel()
	err := a.s.Step(ctx, "Keep the build cache", func(ctx context.Context) (string, error) {
		if kept.Reused != "" {
			return a.takeCacheOver(ctx, in, kept.ReusedBranch)
		}
		b := building{}
		if err := a.look(ctx, &b); err != nil {
			return "", err
		}
		if err := a.dial(ctx, &b); err != nil {
			return "", err
		}
		defer func() { _ = b.builder.Close() }() // nothing of the build is left on this connection
		if !b.builder.Attests() {
			return "this builder cannot", nil
		}
		request, err := a.request(b)
		if err != nil {
			return "", err
		}
		to := a.registryCache(a.task().Trigger.Branch)
		request.CacheTo = []buildkit.Cache{to}
		if _, err = b.builder.Build(ctx, request); err != nil {
			return "", err
		}
		return to.Ref, nil
	})
	if err != nil {
		a.s.Log("The build cache could not be kept in the registry, so that the next build may take longer: " + err.Error())
	}
}

// takeCacheOver names the cache of another branch for this one.
func (a *attempt) takeCacheOver(ctx context.Context, in *registry.Repository, from string) (string, error) {
	branch := a.task().Trigger.Branch
	if from == "" || cacheTag(from) == cacheTag(branch) {
		return "nothing was built", nil
	}
	digest, found, err := in.Digest(ctx, cacheTag(from))
	if err != nil || !found {
		return "nothing was built", err
	}
	return "that of " + from, in.Tag(ctx, digest, []string{cacheTag(branch)})
}
