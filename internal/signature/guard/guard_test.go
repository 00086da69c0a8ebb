package guard_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/registry"
	"github.com/slipwayhq/slipway/internal/registry/login"
	"github.com/slipwayhq/slipway/internal/runner"
	"github.com/slipwayhq/slipway/internal/signature"
	"github.com/slipwayhq/slipway/internal/signature/guard"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

// world is shared by the tests.
var world *imagetest.World

func TestMain(m *testing.M) { os.Exit(imagetest.Main(m, &world, imagetest.StartRegistries, nil)) }

// deploy is a stage that changes something.
type deploy struct{ done bool }

func (d *deploy) Run(context.Context, runner.Session) (pipeline.Verdict, error) {
	d.done = true
	return pipeline.Verdict{Status: pipeline.StatusSuccess}, nil
}

// entrance is a stage before an environment that asks for signatures.
type entrance struct {
	task    pipeline.Task
	secrets map[string]string
}

func (e entrance) knock(t *testing.T) (let bool, verdict pipeline.Verdict, s *stagetest.Session) {
	t.Helper()
	options := guard.Options{Backoff: registry.Backoff{First: time.Millisecond, Tries: 2}, Insecure: []string{"127.0.0.1:1"}}
	if world != nil {
		options.Insecure = append(options.Insecure, world.Open, world.Closed)
	}
	d := &deploy{}
	s = stagetest.New(t, stagetest.Options{Task: e.task, Secrets: e.secrets})
	verdict, err := guard.All(map[string]runner.Stage{"kubernetes": d}, options)["kubernetes"].Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if let := verdict.Status == pipeline.StatusSuccess; let != d.done {
		t.Fatalf("the stage has run: %t, and the verdict is %+v", d.done, verdict)
	}
	return d.done, verdict, s
}

func (e entrance) lets(t *testing.T) {
	t.Helper()
	if let, verdict, _ := e.knock(t); !let {
		t.Errorf("refused: %+v", verdict)
	}
}

func (e entrance) refuses(t *testing.T, words ...string) pipeline.Verdict {
	t.Helper()
	let, verdict, s := e.knock(t)
	if let {
		t.Error("let in")
	}
	for _, word := range append(words, "production admits only images that are signed", "COSIGN_PUBLIC_KEY", "Nothing was changed") {
		if !strings.Contains(verdict.Cause, word) {
			t.Errorf("%q lacks %q", verdict.Cause, word)
		}
	}
	if !strings.Contains(s.LogText(), verdict.Cause) {
		t.Error("the log does not tell it")
	}
	return verdict
}

// of is the entrance for these images.
func of(t *testing.T, images ...string) entrance {
	t.Helper()
	e := entrance{secrets: map[string]string{"COSIGN_PUBLIC_KEY": read(t, "cosign.pub")}, task: pipeline.Task{
		Stage:       pipeline.StageSpec{ID: "deploy", Uses: "kubernetes", Environment: "production", Enters: true},
		Environment: &pipeline.EnvironmentDefinition{Name: "production", ImageKey: "COSIGN_PUBLIC_KEY"},
		Action:      pipeline.ActionDeploy, Images: map[string]string{},
	}}
	for i, image := range images {
		e.task.Images[fmt.Sprintf("image-%d", i)] = image
	}
	return e
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// open is the registry without logins.
func open(t *testing.T) string {
	t.Helper()
	world.Need(t)
	return world.Open
}

// pushed is an image of a registry, signed by the key in testdata or not.
func pushed(t *testing.T, host, name string, credentials registry.Credentials, sign bool) string {
	t.Helper()
	repository, err := registry.Open(host+"/"+name, registry.Options{Insecure: []string{host}, Credentials: credentials})
	if err != nil {
		t.Fatal(err)
	}
	image, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := repository.Write(t.Context(), image, "main"); err != nil {
		t.Fatal(err)
	}
	digest, found, err := repository.Digest(t.Context(), "main")
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if sign {
		key, err := signature.ParseKey(read(t, "cosign.key"), "of the test")
		if err != nil {
			t.Fatal(err)
		}
		if err := signature.Sign(t.Context(), repository, digest, key); err != nil {
			t.Fatal(err)
		}
	}
	return repository.Reference(digest)
}

func TestOnlySignedImagesEnter(t *testing.T) {
	signed := pushed(t, open(t), "acme/signed", registry.Credentials{}, true)
	unsigned := pushed(t, open(t), "acme/unsigned", registry.Credentials{}, false)
	of(t, signed).lets(t)
	if v := of(t, unsigned).refuses(t, unsigned, "there is no signature"); v.Title != "The image is not signed" || v.Infrastructure {
		t.Errorf("%+v", v)
	}
	of(t, signed, unsigned).refuses(t, unsigned)

	t.Run("by another key", func(t *testing.T) {
		e := of(t, signed)
		e.secrets["COSIGN_PUBLIC_KEY"] = otherKey
		e.refuses(t, "its signatures are of other keys")
	})
	t.Run("the key is not set", func(t *testing.T) {
		e := of(t, signed)
		delete(e.secrets, "COSIGN_PUBLIC_KEY")
		e.refuses(t, "is not set for production")
	})
	t.Run("the key is none", func(t *testing.T) {
		e := of(t, signed)
		e.secrets["COSIGN_PUBLIC_KEY"] = read(t, "cosign.key")
		e.refuses(t, "-----BEGIN PUBLIC KEY-----")
	})
	t.Run("the image is gone", func(t *testing.T) {
		repository, _, _ := strings.Cut(signed, "@")
		of(t, repository+"@sha256:"+strings.Repeat("0", 64)).refuses(t, "there is no signature")
	})
	t.Run("a tag", func(t *testing.T) {
		repository, _, _ := strings.Cut(signed, "@")
		of(t, repository+":main").refuses(t, "is not named by its digest")
	})
}

func TestSignaturesBehindALogin(t *testing.T) {
	open(t)
	who := registry.Credentials{User: imagetest.User, Password: imagetest.Password}
	signed := pushed(t, world.Closed, "acme/signed", who, true)
	of(t, signed).refuses(t, "nobody was logged in")
	e := of(t, signed)
	e.secrets[login.User], e.secrets[login.Password] = who.User, who.Password
	e.lets(t)
	delete(e.secrets, login.Password)
	e.refuses(t, login.Password+" is not")
}

func TestARegistryThatIsDownLetsNothingIn(t *testing.T) {
	if v := of(t, "127.0.0.1:1/acme/app@sha256:"+strings.Repeat("0", 64)).refuses(t, "127.0.0.1:1"); !v.Infrastructure {
		t.Error("it is not tried again")
	}
}

func TestWhatIsNotAsked(t *testing.T) {
	image := "127.0.0.1:1/acme/app@sha256:" + strings.Repeat("0", 64)
	for name, change := range map[string]func(*pipeline.Task){
		"nothing is required":          func(task *pipeline.Task) { task.Environment.ImageKey = "" },
		"no environment":               func(task *pipeline.Task) { task.Environment = nil },
		"a pull request":               func(task *pipeline.Task) { task.Stage.Enters = false },
		"no image":                     func(task *pipeline.Task) { task.Images = nil },
		"the environment is torn down": func(task *pipeline.Task) { task.Action = pipeline.ActionDestroy },
	} {
		t.Run(name, func(t *testing.T) {
			e := of(t, image)
			change(&e.task)
			e.lets(t)
		})
	}
	t.Run("a rollback is asked", func(t *testing.T) {
		e := of(t, image)
		e.task.Action = pipeline.ActionRollback
		e.refuses(t, "127.0.0.1:1")
	})
}

// otherKey is a key that has signed nothing.
const otherKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEBzXKMrlgnOeSOzGAl5R8kqTNh3NG
Do6fdKv4fJaX3cvbSAT7HKV+KbA1vfcEUuQp2hTdVQjIz7xMkxLn1nzM6A==
-----END PUBLIC KEY-----
`
