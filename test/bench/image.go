package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
)

// imageFiles is an image whose first stage works for some seconds and whose last one takes a source file.
// Its cache in the registry is written in the second step, after the tests, as in pipelines; buildctl writes none either.
func imageFiles(registry string) map[string]string {
	return map[string]string{ //nolint:gosec // a definition without credentials
		".github/slipway.yml": "on: {push: {}}\nstages:\n  build:\n    uses: image\n    with: {repository: " + registry + "/bench/stage, push: never, cache: registry, provenance: true, sbom: false, scan: {fail-on: none}}\n",
		"Dockerfile": "FROM base:1 AS work\nCOPY deps.txt /deps.txt\n" +
			"RUN for i in 1 2 3 4 5 6; do dd if=/dev/zero bs=1M count=600 2>/dev/null | sha256sum >> /out; done; dd if=/dev/zero bs=1M count=20 of=/blob 2>/dev/null\n" +
			"FROM base:1\nCOPY --from=work /out /blob /\nCOPY main.txt /main.txt\nUSER app\n",
		"deps.txt": "1\n", "main.txt": "one\n",
	}
}

const imageRounds = 3

// image compares the stage with `buildctl build` of the same context, a rebuild with the cold build, and a retag with a push.
// Trivy is kept out of the way: buildctl does not scan.
func image(ctx context.Context, binary string) (figures []figure, err error) {
	buildctl, err := imagetest.Tool("buildctl")
	if err == nil {
		_, err = imagetest.Tool("docker-registry")
	}
	if err != nil || os.Getuid() != 0 {
		return []figure{{"image", "not measured: as root, after scripts/tools buildkit, with docker-registry", ""}}, nil
	}
	world, err := imagetest.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, world.Stop()) }()
	base, err := imagetest.Base(nil)
	if err != nil {
		return nil, err
	}
	if err := world.Publish(ctx, "library/base:1", base); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-bench-image-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := imageBench{world: world, binary: binary, buildctl: buildctl, dir: dir, files: imageFiles(world.Open)}
	if figures, err = b.builds(ctx); err != nil {
		return nil, err
	}
	retag, err := b.retag(ctx)
	return append(figures, retag...), err
}

type imageBench struct {
	world            *imagetest.World
	binary, buildctl string
	dir              string
	files            map[string]string
	commits          int
}

// builds alternates the two, each with a change that both see for the first time.
func (b *imageBench) builds(ctx context.Context) ([]figure, error) {
	if err := b.begin(ctx); err != nil {
		return nil, err
	}
	var ours, theirs, rebuilds, theirRebuilds []time.Duration
	for range imageRounds {
		for _, file := range []string{"deps.txt", "main.txt"} {
			if err := b.change(ctx, file); err != nil {
				return nil, err
			}
			mine, err := b.stage(ctx)
			if err != nil {
				return nil, err
			}
			if err := b.change(ctx, file); err != nil {
				return nil, err
			}
			byHand, err := b.byHand(ctx)
			if err != nil {
				return nil, err
			}
			if file == "deps.txt" {
				ours, theirs = append(ours, mine), append(theirs, byHand)
			} else {
				rebuilds, theirRebuilds = append(rebuilds, mine), append(theirRebuilds, byHand)
			}
		}
	}
	cold, coldTheirs, rebuild, rebuildTheirs := median(ours), median(theirs), median(rebuilds), median(theirRebuilds)
	return []figure{
		{"image stage / buildctl build, medians of 3", fmt.Sprintf("%.2f (%s / %s)", cold.Seconds()/coldTheirs.Seconds(), ms(cold), ms(coldTheirs)), "1.05"},
		{"image, one changed source line / everything anew", fmt.Sprintf("%.2f (%s)", rebuild.Seconds()/cold.Seconds(), ms(rebuild)), ""},
		{"  buildctl build with one changed line", ms(rebuildTheirs), ""},
	}, nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func (b *imageBench) source() string { return filepath.Join(b.dir, "source") }

func (b *imageBench) begin(ctx context.Context) error {
	for name, text := range b.files {
		path := filepath.Join(b.source(), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := b.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return err
	}
	return b.change(ctx, "main.txt")
}

// change makes a commit that alters one file.
func (b *imageBench) change(ctx context.Context, file string) error {
	b.commits++
	if err := os.WriteFile(filepath.Join(b.source(), file), fmt.Appendf(nil, "change %d\n", b.commits), 0o600); err != nil {
		return err
	}
	if err := b.git(ctx, "add", "."); err != nil {
		return err
	}
	return b.git(ctx, "commit", "--quiet", "--message", "change")
}

func (b *imageBench) git(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // arguments are ours
	cmd.Dir = b.source()
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@example.com", "GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@example.com")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return nil
}

// stage runs the image stage on the checkout and returns what its attempt took, from its runner's start to its verdict.
func (b *imageBench) stage(ctx context.Context) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, b.binary, "run", "--json", "--stage", "build", b.source()) //nolint:gosec // the program that is measured
	cmd.Env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + b.dir, "XDG_CACHE_HOME=" + filepath.Join(b.dir, "cache"),
		"SLIPWAY_BUILDKIT=" + b.world.Buildkit, "SLIPWAY_INSECURE_REGISTRIES=" + b.world.Open,
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("slipway run: %w: %s", err, said.String())
	}
	var run pipeline.Run
	if err := json.Unmarshal(out.Bytes(), &run); err != nil {
		return 0, fmt.Errorf("slipway run --json: %w", err)
	}
	for _, s := range run.Stages {
		if s.Spec.ID == "build" {
			return s.FinishedAt.Sub(s.StartedAt), nil
		}
	}
	return 0, errors.New("the run has no stage build")
}

// byHand does with buildctl what the stage does with BuildKit.
func (b *imageBench) byHand(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	//nolint:gosec // a tool of the measurement
	cmd := exec.CommandContext(ctx, b.buildctl, "--addr", b.world.Buildkit, "build", "--frontend", "dockerfile.v0",
		"--local", "context="+b.source(), "--local", "dockerfile="+b.source(), "--opt", "attest:provenance=mode=min",
		"--opt", "build-arg:SOURCE_DATE_EPOCH=1700000000", "--output", "type=oci,tar=false,rewrite-timestamp=true,dest="+filepath.Join(b.dir, "by-hand"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("buildctl build: %w: %s", err, out)
	}
	return time.Since(begun), nil
}

// retag compares the publishing of an image that the registry has with that of one it has not.
func (b *imageBench) retag(ctx context.Context) ([]figure, error) {
	const layer = 20 << 20
	made, err := random.Image(layer, 4)
	if err != nil {
		return nil, err
	}
	r, err := registry.Open(b.world.Open+"/bench/app", registry.Options{Insecure: []string{b.world.Open}})
	if err != nil {
		return nil, err
	}
	publish := func(tag string) (time.Duration, error) {
		begun := time.Now()
		digest, err := r.Push(ctx, made, nil)
		if err == nil {
			err = r.Tag(ctx, digest, []string{tag})
		}
		return time.Since(begun), err
	}
	first, err := publish("first")
	if err != nil {
		return nil, err
	}
	again, err := publish("again")
	return []figure{{"publish of an image that is there / of 80 MB that are not", fmt.Sprintf("%s / %s", ms(again), ms(first)), ""}}, err
}
