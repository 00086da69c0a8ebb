package buildkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// Request is one build.
type Request struct {
	// Context is the folder the build sees, less what Exclude matches; Dockerfile is a path of its own.
	Context, Dockerfile string
	Exclude             []string
	// OwnFrontend: the builder's own frontend reads the Dockerfile, whatever its syntax line says. See HasSyntax.
	OwnFrontend bool
	Target      string
	Platforms   []string
	Args        map[string]string
	Labels      map[string]string
	// Epoch is the time that the image and its files are said to be made at, so that the same commit gives the same image.
	Epoch time.Time
	// Secrets are for `RUN --mount=type=secret,id=NAME`, SSHKey (PEM) for `RUN --mount=type=ssh`.
	Secrets     map[string]string
	SSHKey      string
	Credentials Credentials
	// NoCache builds every step anew.
	NoCache bool
	// Scope separates the results of commands, the folders of `RUN --mount=type=cache` and the contexts that the builder
	// remembers: builds of one scope share them.
	Scope              string
	CacheFrom, CacheTo []Cache
	// Provenance attaches a record of how the image was built, which names the repository (Source, a URL) and its commit
	// (Revision).
	Provenance       bool
	Source, Revision string
	// Output is the folder of the OCI layout that the image is written to; empty: only the caches are.
	Output string
	// Watch sees how it goes on; nil: nobody does.
	Watch Watcher
}

// Cache is a place where the results of steps are kept between builds.
type Cache struct {
	// Type is "registry" or "local".
	Type string
	// Ref is the image of a registry, Dir the folder of a local one.
	Ref, Dir string
	// Insecure: the registry is spoken to without TLS.
	Insecure bool
}

// Result is what a build left.
type Result struct {
	// Digest of what Output holds.
	Digest string
	// Steps counts those of the Dockerfile, Cached those of them that were done before.
	Steps, Cached int
}

// Build carries out a request. An error of the Dockerfile or its commands is a *BuildError.
func (b *Builder) Build(ctx context.Context, r Request) (Result, error) {
	options, err := b.options(r)
	if err != nil {
		return Result{}, err
	}
	watch := newTracker(r.Watch)
	group, inner := errgroup.WithContext(ctx)
	statuses := make(chan *client.SolveStatus)
	var response *client.SolveResponse
	group.Go(func() error {
		var err error
		response, err = b.client.Solve(inner, nil, options, statuses)
		return err
	})
	group.Go(func() error {
		for s := range statuses {
			watch.see(s)
		}
		return nil
	})
	err = group.Wait()
	watch.end()
	if err != nil {
		if ctx.Err() != nil {
			return Result{}, context.Cause(ctx)
		}
		return Result{}, explain(err)
	}
	result := Result{Digest: response.ExporterResponse[exptypes.ExporterImageDigestKey], Steps: watch.steps, Cached: watch.cached}
	if r.Output != "" && !b.layouts {
		result.Digest, err = b.save(ctx, response.ExporterResponse, r.Output)
	}
	return result, err
}

func (b *Builder) options(r Request) (client.SolveOpt, error) {
	folder, err := fsutil.NewFS(r.Context)
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("open the build context: %w", err)
	}
	folder, err = fsutil.NewFilterFS(folder, &fsutil.FilterOpt{ExcludePatterns: r.Exclude})
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("open the build context: %w", err)
	}
	dockerfile, err := fsutil.NewFS(filepath.Dir(r.Dockerfile))
	if err != nil {
		return client.SolveOpt{}, fmt.Errorf("open the folder of the Dockerfile: %w", err)
	}
	attached, err := r.attachables()
	if err != nil {
		return client.SolveOpt{}, err
	}
	return client.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: b.attributes(r),
		LocalMounts: map[string]fsutil.FS{"context": folder, "dockerfile": dockerfile},
		SharedKey:   r.Scope, Session: append([]session.Attachable{}, attached...),
		Exports: b.exports(r), CacheImports: caches(r.CacheFrom, false), CacheExports: caches(r.CacheTo, true),
	}, nil
}

// attributes are the arguments of the Dockerfile's frontend.
func (b *Builder) attributes(r Request) map[string]string {
	attributes := map[string]string{"filename": filepath.Base(r.Dockerfile)}
	for name, value := range r.Args {
		attributes["build-arg:"+name] = value
	}
	for name, value := range r.Labels {
		attributes["label:"+name] = value
	}
	set := func(name, value string) {
		if value != "" {
			attributes[name] = value
		}
	}
	set("target", r.Target)
	set("platform", strings.Join(r.Platforms, ","))
	// After the repository's own arguments: by another's scope it would reach another's folders.
	set("build-arg:BUILDKIT_CACHE_MOUNT_NS", r.Scope)
	delete(attributes, "build-arg:BUILDKIT_SANDBOX_HOSTNAME") // it would take the place of ours
	set("hostname", hostOf(r.Scope))
	if !r.Epoch.IsZero() {
		set("build-arg:SOURCE_DATE_EPOCH", strconv.FormatInt(r.Epoch.Unix(), 10))
	}
	if r.OwnFrontend {
		set("cmdline", "own") // a frontend that was called by another does not look at the syntax line
	}
	if r.NoCache {
		attributes["no-cache"] = ""
	}
	if r.Provenance && b.layouts {
		set("attest:provenance", "mode=min")
		set("vcs:source", r.Source)
		set("vcs:revision", r.Revision)
	}
	return attributes
}

// hostOf is the name of the host on which the commands of a scope run. BuildKit's cache keys hold it, but neither which
// folder a cache mount is nor that a build was to use no cache: without it a command is found by its text alone, whoever's
// folders it ran with. No image holds it.
func hostOf(scope string) string {
	if scope == "" {
		return ""
	}
	const length = 12
	sum := sha256.Sum256([]byte(scope))
	return "build-" + hex.EncodeToString(sum[:length])
}

func (b *Builder) exports(r Request) []client.ExportEntry {
	if r.Output == "" {
		return nil
	}
	if !b.layouts {
		return []client.ExportEntry{{Type: "moby"}}
	}
	attributes := map[string]string{"tar": "false", string(exptypes.OptKeyOCITypes): "true"}
	if !r.Epoch.IsZero() {
		attributes[string(exptypes.OptKeyRewriteTimestamp)] = "true"
	}
	return []client.ExportEntry{{Type: client.ExporterOCI, OutputDir: r.Output, Attrs: attributes}}
}

func caches(all []Cache, export bool) []client.CacheOptionsEntry {
	entries := make([]client.CacheOptionsEntry, 0, len(all))
	for _, c := range all {
		attributes := map[string]string{}
		if export {
			maps.Copy(attributes, map[string]string{"mode": "max", "oci-mediatypes": "true", "image-manifest": "true"})
		}
		switch {
		case c.Type == "local" && export:
			attributes["dest"] = c.Dir
			attributes["reset"] = "true" // what the folder held before goes, unless this build's results have it, too
		case c.Type == "local":
			attributes["src"] = c.Dir
		default:
			attributes["ref"] = c.Ref
			if c.Insecure {
				attributes["registry.insecure"] = "true"
			}
		}
		entries = append(entries, client.CacheOptionsEntry{Type: c.Type, Attrs: attributes})
	}
	return entries
}

// errNoImage: the engine said that it was done, but not with what.
var errNoImage = errors.New("the Docker engine does not name the image it has built")
