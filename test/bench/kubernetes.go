package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/slipwayhq/slipway/examples"
	"github.com/slipwayhq/slipway/internal/githubtest"
	appimage "github.com/slipwayhq/slipway/test/cluster/image"
	"github.com/slipwayhq/slipway/test/cluster/place"
)

const (
	kubernetesRounds = 5
	exampleNamespace = "inventory-manager"
	deployCheck      = "deploy (production)"
)

// kubernetesFile deploys what the example's own stage deploys; the image is built beforehand.
const kubernetesFile = `name: bench
on: {push: {branches: [main]}, pull_request: {branches: [main]}}
stages:
  deploy:
    uses: kubernetes
    secrets: [KUBECONFIG, MONGO_USERNAME, MONGO_PASSWORD]
    with: {manifests: k8s, namespace: inventory-manager}
environments:
  production:
    branches: [main]
    cluster: {kubeconfig: KUBECONFIG}
`

// mongoManifest names the secrets of the database, and holds none.
const mongoManifest = `apiVersion: v1
kind: Secret
metadata: {name: inventory-manager-secrets, namespace: inventory-manager}
stringData: {MONGO_USERNAME: $(MONGO_USERNAME), MONGO_PASSWORD: $(MONGO_PASSWORD)}
`

// kubernetesBench is the example on the test cluster.
type kubernetesBench struct {
	*site
	at     place.Place
	config *rest.Config
	files  githubtest.Files // the manifests
}

// kubernetes compares a deploy of the example with kubectl's of the same manifests, and counts requests that fail while it is
// deployed and rolled back.
func kubernetes(ctx context.Context, binary string) (figures []figure, err error) {
	at, err := place.Find()
	if err != nil {
		return nil, err
	}
	kubeconfig, err := os.ReadFile(at.Kubeconfig())
	if errors.Is(err, os.ErrNotExist) {
		return []figure{{"kubernetes", "not measured: as root, after make cluster-up", ""}}, nil
	}
	if err != nil {
		return nil, err
	}
	b := &kubernetesBench{at: at}
	if b.config, err = clientcmd.RESTConfigFromKubeConfig(kubeconfig); err != nil {
		return nil, err
	}
	b.config.QPS = -1
	if there, err := b.kubectl(ctx, "get", "namespace", exampleNamespace, "--ignore-not-found", "--output=name"); err != nil || there != "" {
		return nil, errors.Join(err, fmt.Errorf("%s is there already; is it a demo's?", exampleNamespace))
	}
	if err := b.manifests(ctx); err != nil {
		return nil, err
	}
	if b.site, err = newSite(ctx, binary, b.files); err != nil {
		return nil, err
	}
	defer func() {
		_, gone := b.kubectl(context.WithoutCancel(ctx), "delete", "namespace", exampleNamespace, "--ignore-not-found")
		err = errors.Join(err, b.close(), gone)
	}()
	if err := b.secrets(map[string]string{"KUBECONFIG": string(kubeconfig), "MONGO_USERNAME": "stockkeeper", "MONGO_PASSWORD": "a password"}); err != nil {
		return nil, err
	}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	b.github.SetWebhook("http://"+b.addr+"/api/github/hook", secret)
	return b.measure(ctx)
}

// manifests are the example's with the image by its digest, as the pipeline puts it in.
func (b *kubernetesBench) manifests(ctx context.Context) error {
	registry, err := os.ReadFile(b.at.Registry())
	if err != nil {
		return err
	}
	checkout, err := os.Getwd()
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "slipway-bench-app-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // in the folder of temporary files
	digest, err := appimage.App(ctx, strings.TrimSpace(string(registry)), "acme/inventory-manager", appimage.Source{Checkout: checkout, Scratch: scratch})
	if err != nil {
		return err
	}
	files, err := examples.Files()
	if err != nil {
		return err
	}
	b.files = githubtest.Files{".github/slipway.yml": kubernetesFile, "k8s/secret.yaml": mongoManifest}
	for name, text := range files {
		if strings.HasPrefix(name, "k8s/") {
			b.files[name] = strings.ReplaceAll(text, "image: inventory-manager\n", "image: docker.io/acme/inventory-manager@"+digest+"\n")
		}
	}
	return nil
}

// secrets puts them where the bot finds those of the environment.
func (b *kubernetesBench) secrets(values map[string]string) error {
	dir := filepath.Join(b.dir, "secrets")
	b.env = append(b.env, "SLIPWAY_SECRETS=dir:"+dir)
	for name, value := range values {
		file := filepath.Join(dir, repo, "production", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(value), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

func (b *kubernetesBench) kubectl(ctx context.Context, args ...string) (string, error) {
	program := b.at.At("bin", "kubectl")
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // built with the cluster
	cmd.Env = append(os.Environ(), "KUBECONFIG="+b.at.Kubeconfig())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", args[0], err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// changed is the example with pods that differ from those of every other round.
func (b *kubernetesBench) changed(round string) (name, text string) {
	const deployment = "k8s/deployment.yaml"
	return deployment, strings.Replace(b.files[deployment], "      annotations:\n", "      annotations:\n        example.com/round: \""+round+"\"\n", 1)
}

func (b *kubernetesBench) measure(ctx context.Context) ([]figure, error) {
	cold, err := b.deploy(ctx, "first")
	if err != nil {
		return nil, err
	}
	ours, err := rounds("ours-", func(round string) (time.Duration, error) { return b.deploy(ctx, round) })
	if err != nil {
		return nil, err
	}
	// Slipway notes in the pods what configuration they have, and kubectl takes that away: the first time all pods are replaced.
	if _, err := b.byKubectl(ctx, "warm"); err != nil {
		return nil, err
	}
	theirs, err := rounds("theirs-", func(round string) (time.Duration, error) { return b.byKubectl(ctx, round) })
	if err != nil {
		return nil, err
	}
	if _, err := b.deploy(ctx, "warm again"); err != nil {
		return nil, err
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	a, k := ours[kubernetesRounds/2], theirs[kubernetesRounds/2]
	figures := []figure{
		{"deploy of the example / kubectl, medians of 5", fmt.Sprintf("%.2f (%s / %s)", a.Seconds()/k.Seconds(), ms(a), ms(k)), "1.1"},
		{"  the very first deploy, with its databases", fmt.Sprintf("%.1f s", cold.Seconds()), ""},
	}
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"a deploy", func(ctx context.Context) error { _, err := b.deploy(ctx, "under load"); return err }},
		{"a rollback", b.rollback},
	} {
		all, failed, err := b.underLoad(ctx, part.do)
		if err != nil {
			return figures, err
		}
		figures = append(figures, figure{"requests that failed during " + part.name, fmt.Sprintf("%d of %d", failed, all), "0"})
	}
	return figures, nil
}

// rounds repeats something that takes time.
func rounds(prefix string, do func(round string) (time.Duration, error)) ([]time.Duration, error) {
	var all []time.Duration
	for i := range kubernetesRounds {
		took, err := do(fmt.Sprint(prefix, i))
		if err != nil {
			return nil, err
		}
		all = append(all, took)
	}
	return all, nil
}

// deploy pushes a change and waits for the end of its check: the whole way of a push that waits for nobody.
func (b *kubernetesBench) deploy(ctx context.Context, round string) (time.Duration, error) {
	name, text := b.changed(round)
	begun := time.Now()
	sha, err := b.github.As("alice").Push(ctx, repo, "main", githubtest.Files{name: text}, "round "+round)
	if err != nil {
		return 0, err
	}
	err = b.ended(ctx, sha, 0)
	return time.Since(begun), err
}

// ended waits for the end of the newest check of a deploy, which is not one of those before.
func (b *kubernetesBench) ended(ctx context.Context, sha string, after int64) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	var check githubtest.CheckRun
	err := b.github.Wait(ctx, func() bool {
		for _, check = range b.github.CheckRuns(repo, sha) {
			if check.Name == deployCheck && check.ID > after && check.Status == "completed" {
				return true
			}
		}
		return false
	})
	if err == nil && check.Conclusion != "success" {
		err = fmt.Errorf("%s: %s: %s\n%s", check.Name, check.Conclusion, check.Title, check.Summary)
	}
	return err
}

// byKubectl applies the same manifests as the same manager of fields, and waits for the same.
func (b *kubernetesBench) byKubectl(ctx context.Context, round string) (time.Duration, error) {
	dir := filepath.Join(b.dir, round)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	changed, text := b.changed(round)
	for name, content := range b.files {
		switch {
		case !strings.HasPrefix(name, "k8s/"), name == "k8s/secret.yaml":
			continue
		case name == changed:
			content = text
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(content), 0o600); err != nil {
			return 0, err
		}
	}
	begun := time.Now()
	if _, err := b.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "--field-manager=slipway", "--filename", dir); err != nil {
		return 0, err
	}
	for _, what := range []string{"statefulset/mongodb", "deployment/redis", "deployment/inventory-manager"} {
		if _, err := b.kubectl(ctx, "--namespace", exampleNamespace, "rollout", "status", what, "--timeout=5m"); err != nil {
			return 0, err
		}
	}
	return time.Since(begun), nil
}

// rollback brings back the release before, as a person does.
func (b *kubernetesBench) rollback(ctx context.Context) error {
	const branch = "proposal"
	if _, err := b.github.As("alice").Push(ctx, repo, branch, githubtest.Files{"note.txt": "note\n"}, "a proposal"); err != nil {
		return err
	}
	pull, err := b.github.As("alice").OpenPullRequest(ctx, repo, githubtest.NewPullRequest{Title: "A proposal", Head: branch, Base: "main"})
	if err != nil {
		return err
	}
	var last int64
	before := make(map[string]bool)
	for _, d := range b.github.Deployments(repo) {
		before[d.SHA] = true
		for _, check := range b.github.CheckRuns(repo, d.SHA) {
			last = max(last, check.ID)
		}
	}
	if _, err := b.github.As("alice").Comment(repo, pull.Number, "/rollback production"); err != nil {
		return err
	}
	var sha string
	if err := b.github.Wait(ctx, func() bool {
		for sha = range before {
			for _, check := range b.github.CheckRuns(repo, sha) {
				if check.Name == deployCheck && check.ID > last {
					return true
				}
			}
		}
		return false
	}); err != nil {
		return err
	}
	return b.ended(ctx, sha, last)
}

// underLoad asks the application steadily, through the API server, while something is done.
func (b *kubernetesBench) underLoad(ctx context.Context, do func(context.Context) error) (all, failed int, err error) {
	client, err := rest.HTTPClientFor(b.config)
	if err != nil {
		return 0, 0, err
	}
	url := strings.TrimSuffix(b.config.Host, "/") + "/api/v1/namespaces/" + exampleNamespace + "/services/inventory-manager-service:http/proxy/api/items"
	loading, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	var mu sync.Mutex
	const askers, every = 4, 100 * time.Millisecond
	for range askers {
		group.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for loading.Err() == nil {
				said := ask(ctx, client, url)
				mu.Lock()
				all++
				if said != nil {
					failed++
					fmt.Fprintln(os.Stderr, "bench: a request failed:", said)
				}
				mu.Unlock()
				<-tick.C
			}
		})
	}
	err = do(ctx)
	stop()
	group.Wait()
	return all, failed, err
}

func ask(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return errors.Join(err, answer.Body.Close())
}
