package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipelinefile"
	"github.com/slipwayhq/slipway/internal/registry"
)

// How the demo comes by images.
const (
	// demoImagesScript makes what is missing: README has it.
	demoImagesScript = "make demo-images"
	// demoHub is where the example's image goes to by its pipeline file; the demo must not publish there.
	demoHub = "docker.io/"
	// The image that the example's Dockerfile begins with.
	demoBase, demoBaseTag = "library/python", "3.13-slim"
)

// demoImages are a BuildKit and a registry on this machine that live as long as the demo.
type demoImages struct {
	world *imagetest.World
	// lacks says why there are none.
	lacks string
}

// startDemoImages starts both below dir, where this machine has what they need. at is a registry that runs already; its
// images then stand in for those of Docker Hub.
func startDemoImages(ctx context.Context, dir, at string, say func(string)) (demoImages, error) {
	lacks := cmp.Or(demoImagesLack(), demoToolsLack())
	if lacks != "" {
		return demoImages{lacks: lacks}, nil
	}
	standIns, direct := "", at == "" && demoHubAnswers(ctx) == nil
	if at == "" && !direct {
		standIns = imagetest.StandInFolder()
		if !demoFile(filepath.Join(standIns, "index.json")) {
			return demoImages{lacks: fmt.Sprintf("Docker Hub cannot be reached, and nothing stands in for %s:%s: %s makes it", demoBase, demoBaseTag, demoImagesScript)}, nil
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return demoImages{}, err
	}
	world, err := imagetest.StartOpen(ctx, imagetest.OpenOptions{Dir: dir, Registry: at, Direct: direct})
	if err != nil {
		return demoImages{}, fmt.Errorf("start what builds images: %w", err)
	}
	d := demoImages{world: world}
	if err := d.tell(ctx, at, standIns, say); err != nil {
		return demoImages{}, errors.Join(err, world.Stop())
	}
	return d, nil
}

// tell says what is real and what stands in for something else.
func (d demoImages) tell(ctx context.Context, at, standIns string, say func(string)) error {
	if at == "" {
		say("A registry of images is started on " + d.world.Open + ", and a BuildKit: both end with the demo.")
	} else {
		say("Images go to the registry on " + at + ", which also has those of Docker Hub. A BuildKit is started, which ends with the demo.")
	}
	if standIns == "" {
		return nil
	}
	published, err := d.world.PublishStandIns(ctx, standIns)
	for _, one := range published {
		say(fmt.Sprintf("Docker Hub cannot be reached from here: %s is a stand-in, %s.", one.Name, one.Words))
	}
	return err
}

// Stop ends what was started.
func (d demoImages) Stop() error {
	if d.world == nil {
		return nil
	}
	return d.world.Stop()
}

// use points the bot to them.
func (d demoImages) use(settings *config.Config) {
	if d.world != nil {
		settings.BuildKit, settings.InsecureRegistries = d.world.Buildkit, []string{d.world.Open}
	}
}

// redirect lets the example publish to the demo's registry in place of Docker Hub.
func (d demoImages) redirect(files githubtest.Files) error {
	if d.world == nil {
		return nil
	}
	text := files[pipelinefile.Path]
	changed := strings.Replace(text, "repository: "+demoHub, "repository: "+d.world.Open+"/", 1)
	if changed == text {
		return errors.New("the example's pipeline file publishes no image to " + demoHub)
	}
	files[pipelinefile.Path] = changed
	return nil
}

// demoImagesLack says what BuildKit asks for and this machine has not.
func demoImagesLack() string {
	switch {
	case runtime.GOOS != "linux":
		return "the demo builds images on Linux only"
	case os.Getuid() != 0:
		return "the demo builds images when root runs it only: BuildKit runs containers"
	}
	return ""
}

// demoToolsLack names the programs that are missing. What scripts/tools has built is found by stages, too: Trivy.
func demoToolsLack() string {
	var missing []string
	for _, program := range []string{"buildkitd", "runc", "docker-registry"} {
		if _, err := imagetest.Tool(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return fmt.Sprintf("there is no %s on this machine: %s makes it", strings.Join(missing, " and no "), demoImagesScript)
	}
	if _, err := exec.LookPath("trivy"); err != nil {
		if err := os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+imagetest.ToolFolder()); err != nil {
			return err.Error()
		}
	}
	return ""
}

func demoFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// demoHubPatience bounds the question, without which an unanswered one would hold up the demo.
const demoHubPatience = 5 * time.Second

// demoHubAnswers is nil when the example's base image can be pulled.
func demoHubAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, demoHubPatience)
	defer cancel()
	hub, err := registry.Open(demoHub+demoBase, registry.Options{Backoff: registry.Backoff{First: time.Millisecond, Tries: 1}})
	if err != nil {
		return err
	}
	_, found, err := hub.Digest(ctx, demoBaseTag)
	if err == nil && !found {
		return errors.New("Docker Hub has no " + demoBase + ":" + demoBaseTag)
	}
	return err
}
