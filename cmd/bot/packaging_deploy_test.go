package main

import (
	"bytes"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/slipwayhq/slipway/internal/config"
	"github.com/slipwayhq/slipway/internal/dashboard"
)

const (
	deployFolder = "../../deploy"
	kustomizeDir = deployFolder + "/kubernetes"
	composeDir   = deployFolder + "/compose"
)

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tree is YAML as maps, lists and scalars.
type tree = map[string]any

func readTree(t *testing.T, path string) tree {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(readText(t, path)))
	var content tree
	if err := decoder.Decode(&content); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return content
}

// at follows keys and list positions; what is not there is nil.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := value.(tree)
			value = m[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// deployed lists every file that installs the bot.
func deployed(t *testing.T) []string {
	t.Helper()
	files := []string{"../../Dockerfile", "../../docs/install.md"}
	err := filepath.WalkDir(deployFolder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var settingName = regexp.MustCompile(`\b(?:SLIPWAY|GITHUB)_[A-Z0-9_]+\b`)

// TestDeployNamesRealSettings: a mistyped setting in a manifest would stop the start.
func TestDeployNamesRealSettings(t *testing.T) {
	for _, file := range deployed(t) {
		for line := range strings.Lines(readText(t, file)) {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			for _, name := range settingName.FindAllString(line, -1) {
				settings := filepath.Join(t.TempDir(), "settings.yml")
				if err := os.WriteFile(settings, []byte(name+": x\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := config.Load(settings, nil); strings.Contains(err.Error(), "is not a setting") {
					t.Errorf("%s: %s is not a setting", file, name)
				}
			}
		}
	}
}

func TestKustomizeBase(t *testing.T) {
	var listed []string
	for _, resource := range readTree(t, kustomizeDir+"/kustomization.yaml")["resources"].([]any) {
		name := resource.(string)
		listed = append(listed, name)
		if manifest := readTree(t, filepath.Join(kustomizeDir, name)); at(manifest, "kind") == nil || at(manifest, "metadata", "name") == nil {
			t.Errorf("%s has no kind or no name", name)
		}
	}
	found, err := filepath.Glob(kustomizeDir + "/*.yaml")
	if err != nil || len(found) != len(listed)+1 {
		t.Errorf("the kustomization lists %v, the folder holds %v (%v)", listed, found, err)
	}
}

// TestStatefulSet: what the manifests refer to is there, in the base, the image and the settings.
func TestStatefulSet(t *testing.T) {
	set := readTree(t, kustomizeDir+"/statefulset.yaml")
	pod := at(set, "spec", "template", "spec")
	container := at(pod, "containers", 0)
	dockerfile := readText(t, "../../Dockerfile")
	for _, same := range []struct {
		what      string
		got, want any
	}{
		{"service", at(set, "spec", "serviceName"), at(readTree(t, kustomizeDir+"/service.yaml"), "metadata", "name")},
		{"service account", at(pod, "serviceAccountName"), at(readTree(t, kustomizeDir+"/serviceaccount.yaml"), "metadata", "name")},
		{"service port", at(readTree(t, kustomizeDir+"/service.yaml"), "spec", "ports", 0, "targetPort"), at(container, "ports", 0, "name")},
		{"replicas: the database belongs to one process", at(set, "spec", "replicas"), 1},
		{"service links: their variables would stop the start", at(pod, "enableServiceLinks"), false},
		{"port", at(container, "ports", 0, "containerPort"), 8080},
	} {
		if same.got == nil || same.got != same.want {
			t.Errorf("%s: %v, want %v", same.what, same.got, same.want)
		}
	}
	volumes := map[any]bool{}
	for _, list := range []any{at(pod, "volumes"), at(set, "spec", "volumeClaimTemplates")} {
		for _, volume := range list.([]any) {
			name := at(volume, "name")
			if name == nil {
				name = at(volume, "metadata", "name")
			}
			volumes[name] = true
		}
	}
	for _, mount := range at(container, "volumeMounts").([]any) {
		if !volumes[at(mount, "name")] {
			t.Errorf("there is no volume %v", at(mount, "name"))
		}
		path := at(mount, "mountPath").(string)
		if path != "/tmp" && !strings.Contains(dockerfile, path) {
			t.Errorf("the image knows nothing of %s", path)
		}
	}
}

func TestKubectlAcceptsTheBase(t *testing.T) {
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("no kubectl: its kustomize builds the base")
	}
	var problem bytes.Buffer
	cmd := exec.CommandContext(t.Context(), kubectl, "kustomize", kustomizeDir)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kubectl kustomize: %v\n%s", err, problem.String())
	}
	decoder := yaml.NewDecoder(bytes.NewReader(out))
	for {
		var object tree
		if decoder.Decode(&object) != nil {
			break
		}
		if at(object, "kind") != "StatefulSet" {
			continue
		}
		selector, labels := at(object, "spec", "selector", "matchLabels"), at(object, "spec", "template", "metadata", "labels")
		if selector == nil || !maps.Equal(selector.(tree), labels.(tree)) {
			t.Errorf("the selector %v does not find pods labelled %v", selector, labels)
		}
		return
	}
	t.Error("no StatefulSet came out")
}

func TestCompose(t *testing.T) {
	file := readTree(t, composeDir+"/compose.yml")
	service := at(file, "services", "slipway")
	for _, name := range at(service, "secrets").([]any) {
		if at(file, "secrets", name) == nil {
			t.Errorf("there is no secret %v", name)
		}
	}
	for _, mount := range at(service, "volumes").([]any) {
		source, _, _ := strings.Cut(mount.(string), ":")
		if _, named := at(file, "volumes").(tree)[source]; !named && !strings.HasPrefix(source, "./") {
			t.Errorf("there is no volume %s", source)
		}
	}
	build := filepath.Join(composeDir, at(service, "build", "context").(string), at(service, "build", "dockerfile").(string))
	if _, err := os.Stat(build); err != nil {
		t.Error(err)
	}
	for _, port := range at(service, "ports").([]any) {
		if !strings.HasPrefix(port.(string), "127.0.0.1:") {
			t.Errorf("port %v is open to the network; the metrics are not for everybody", port)
		}
	}
	if over := at(readTree(t, composeDir+"/pages.yml"), "services"); len(over.(tree)) != 1 || at(over, "slipway") == nil {
		t.Errorf("pages.yml changes other services: %v", over)
	}
}

func TestDockerfile(t *testing.T) {
	text := readText(t, "../../Dockerfile")
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readText(t, "../../go.mod"))[1]
	for _, want := range []string{"FROM golang:" + version + "-", "CGO_ENABLED=0", "bubblewrap", "-X main.version=", "-X main.commit="} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in the Dockerfile", want)
		}
	}
	users := regexp.MustCompile(`(?m)^USER (\d+):(\d+)$`).FindAllStringSubmatch(text, -1)
	security := at(readTree(t, kustomizeDir+"/statefulset.yaml"), "spec", "template", "spec", "securityContext")
	if len(users) != 1 || users[0][1] == "0" {
		t.Fatalf("the image runs as %v", users)
	}
	if user := at(security, "runAsUser"); user != 10001 || users[0][1] != "10001" {
		t.Errorf("the image runs as %s, the pod as %v", users[0][1], user)
	}
	for line := range strings.Lines(readText(t, "../../.dockerignore")) {
		switch strings.TrimSpace(line) {
		case "cmd", "internal", "examples", "go.mod", "go.sum":
			t.Errorf(".dockerignore keeps %q from the build", line)
		}
	}
}

// TestInstallLink: the prefilled registration page of docs/install.md asks for what app.yml asks for.
func TestInstallLink(t *testing.T) {
	link := regexp.MustCompile(`https://github\.com/organizations/ORGANIZATION/settings/apps/new\?\S+`).FindString(readText(t, "../../docs/install.md"))
	address, err := url.Parse(link)
	if err != nil || link == "" {
		t.Fatalf("no link: %v", err)
	}
	query, m := address.Query(), readManifest(t)
	for _, callback := range append(query["callback_urls[]"], m.Callbacks...) {
		u, err := url.Parse(callback)
		if err != nil || dashboard.CallbackURL(u.Scheme+"://"+u.Host) != callback {
			t.Errorf("nobody answers at %s", callback)
		}
	}
	if len(query["callback_urls[]"]) != 1 || len(m.Callbacks) != 1 {
		t.Errorf("callbacks: %v in the link, %v in app.yml", query["callback_urls[]"], m.Callbacks)
	}
	for _, event := range query["events[]"] {
		if !slices.Contains(m.Events, event) {
			t.Errorf("the link subscribes to %s, app.yml does not", event)
		}
	}
	if len(query["events[]"]) != len(m.Events) {
		t.Errorf("the link subscribes to %v, app.yml to %v", query["events[]"], m.Events)
	}
	for name, level := range m.Permissions {
		if query.Get(name) != level {
			t.Errorf("the link asks for %s of %s, app.yml for %s", query.Get(name), name, level)
		}
		query.Del(name)
	}
	for name := range query {
		if !slices.Contains([]string{"name", "url", "description", "public", "webhook_active", "webhook_url", "callback_urls[]", "events[]"}, name) {
			t.Errorf("the link asks for %s", name)
		}
	}
}
