package registry_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/slipwayhq/slipway/internal/imagetest"
	"github.com/slipwayhq/slipway/internal/registry"
)

func image(t *testing.T) v1.Image {
	t.Helper()
	i, err := random.Image(10_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func open(t *testing.T, host, name string, c registry.Credentials) *registry.Repository {
	t.Helper()
	r, err := registry.Open(host+"/"+name, registry.Options{
		Credentials: c, Insecure: []string{host}, Backoff: registry.Backoff{First: time.Millisecond, Tries: 4},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func login() registry.Credentials {
	return registry.Credentials{User: imagetest.User, Password: imagetest.Password}
}

func TestPushReadBackAndTag(t *testing.T) {
	world.Need(t)
	for name, r := range map[string]*registry.Repository{
		"without a login": open(t, world.Open, "acme/app", registry.Credentials{}),
		"with a login":    open(t, world.Closed, "acme/app", login()),
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if err := r.Preflight(ctx); err != nil {
				t.Fatalf("preflight: %v", err)
			}
			first, second := image(t), image(t)
			a, err := r.Push(ctx, first, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, found, err := r.Digest(ctx, "main"); err != nil || found {
				t.Fatalf("a push moved a tag (%t, %v)", found, err)
			}
			b, err := r.Push(ctx, second, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, digest := range []string{a, b} {
				if err := r.Tag(ctx, digest, []string{"main", "latest"}); err != nil {
					t.Fatal(err)
				}
				for _, tag := range []string{"main", "latest"} {
					if got, _, err := r.Digest(ctx, tag); err != nil || got != digest {
						t.Errorf("%s is %s (%v), want %s", tag, got, err, digest)
					}
				}
			}
		})
	}
}

func TestAnIndexIsPushedWhole(t *testing.T) {
	world.Need(t)
	index, err := random.Index(1000, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, world.Open, "acme/index", registry.Credentials{})
	var last int64
	digest, err := r.Push(t.Context(), index, func(done, total int64) { last = total })
	if err != nil {
		t.Fatal(err)
	}
	if last == 0 {
		t.Error("no progress was told")
	}
	if got, found, err := r.Digest(t.Context(), digest); err != nil || !found || got != digest {
		t.Errorf("got %s %t %v", got, found, err)
	}
}

func TestRefusals(t *testing.T) {
	world.Need(t)
	dead, err := url.Parse("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	denying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`)
	}))
	defer denying.Close()
	for name, c := range map[string]struct {
		host      string
		login     registry.Credentials
		want      string
		temporary bool
	}{
		"nobody":         {world.Closed, registry.Credentials{}, registry.Denied, false},
		"wrong password": {world.Closed, registry.Credentials{User: imagetest.User, Password: "wrong"}, "does not accept the user name and password", false},
		"denied":         {strings.TrimPrefix(denying.URL, "http://"), login(), registry.Denied, false},
		"down":           {dead.Host, login(), "cannot be reached", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, c.host, "acme/app", c.login)
			for what, err := range map[string]error{
				"preflight": r.Preflight(t.Context()),
				"push": func() error {
					_, err := r.Push(t.Context(), image(t), nil)
					return err
				}(),
			} {
				problem, ok := errors.AsType[*registry.Problem](err)
				if !ok {
					t.Fatalf("%s: got %v, want a Problem", what, err)
				}
				if !strings.Contains(problem.Cause, c.want) || problem.Temporary != c.temporary {
					t.Errorf("%s: got %q, temporary %t; want %q", what, problem.Cause, problem.Temporary, c.want)
				}
				if strings.Contains(err.Error(), c.login.Password) && c.login.Password != "" {
					t.Errorf("%s: the error holds the password", what)
				}
			}
		})
	}
}

// hub answers as Docker Hub does: a token for everybody who logs in, and a 401 where it is not enough.
func hub(t *testing.T, scheme string) string {
	t.Helper()
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		known := user == imagetest.User && password == imagetest.Password
		challenge := scheme + ` realm="` + server.URL + `/token",service="hub"`
		switch {
		case r.URL.Path == "/token" && known:
			_, _ = io.WriteString(w, `{"token":"of-the-hub"}`)
			return
		case r.URL.Path == "/token":
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"details":"incorrect username or password"}`)
			return
		case r.Header.Get("Authorization") == "Bearer of-the-hub":
			challenge += `,scope="repository:acme/app:pull,push",error="insufficient_scope"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Type":"repository","Class":"","Name":"acme/app","Action":"push"}]}]}`)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestALoginWithoutRightsIsNoWrongPassword(t *testing.T) {
	wrong := registry.Credentials{User: imagetest.User, Password: "wrong"}
	for name, c := range map[string]struct {
		scheme string
		login  registry.Credentials
		want   string
	}{
		"a token that is not enough":      {"Bearer", login(), registry.Denied},
		"no token":                        {"Bearer", wrong, "does not accept the user name and password"},
		"no tokens, and a wrong password": {"Basic", wrong, "does not accept the user name and password"},
		"nobody, where everybody logs in": {"Bearer", registry.Credentials{}, "nobody was logged in"},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, hub(t, c.scheme), "acme/app", c.login)
			_, pushed := r.Push(t.Context(), image(t), nil)
			for what, err := range map[string]error{"preflight": r.Preflight(t.Context()), "push": pushed} {
				problem, ok := errors.AsType[*registry.Problem](err)
				if !ok || !strings.Contains(problem.Cause, c.want) || problem.Temporary {
					t.Errorf("%s: got %v, want %q", what, err, c.want)
				}
			}
		})
	}
}

// flaky passes requests on to a registry, and answers some of them itself.
type flaky struct {
	mu     sync.Mutex
	answer func(n int, r *http.Request) int
	header http.Header
	n      int
	seen   []string
	next   http.Handler
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.n++
	f.seen = append(f.seen, r.Method+" "+r.URL.Path)
	code := f.answer(f.n, r)
	f.mu.Unlock()
	if code != 0 {
		maps.Copy(w.Header(), f.header)
		w.WriteHeader(code)
		return
	}
	f.next.ServeHTTP(w, r)
}

func through(t *testing.T, f *flaky) (string, *flaky) {
	t.Helper()
	world.Need(t)
	target, err := url.Parse("http://" + world.Open)
	if err != nil {
		t.Fatal(err)
	}
	f.next = &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), f
}

func TestTroubleOfTheRegistryIsSatOut(t *testing.T) {
	for name, code := range map[string]int{"500": 500, "503": 503, "429": 429, "502": 502} {
		t.Run(name, func(t *testing.T) {
			host, f := through(t, &flaky{header: http.Header{"Retry-After": {"1"}}, answer: func(n int, _ *http.Request) int {
				if n%5 == 2 {
					return code
				}
				return 0
			}})
			r := open(t, host, "acme/flaky", registry.Credentials{})
			digest, err := r.Push(t.Context(), image(t), nil)
			if err != nil {
				t.Fatalf("%v after %q", err, f.seen)
			}
			if err := r.Tag(t.Context(), digest, []string{"main"}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestARegistryThatStaysBrokenIsToldSo(t *testing.T) {
	host, _ := through(t, &flaky{answer: func(_ int, r *http.Request) int {
		if r.Method == http.MethodPut {
			return 503
		}
		return 0
	}})
	_, err := open(t, host, "acme/broken", registry.Credentials{}).Push(t.Context(), image(t), nil)
	problem, ok := errors.AsType[*registry.Problem](err)
	if !ok || !problem.Temporary {
		t.Errorf("got %v, want a temporary Problem", err)
	}
}

func TestARetagTransfersNothing(t *testing.T) {
	host, f := through(t, &flaky{answer: func(int, *http.Request) int { return 0 }})
	r := open(t, host, "acme/retag", registry.Credentials{})
	i := image(t)
	digest, err := r.Push(t.Context(), i, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.seen = nil
	if _, err := r.Push(t.Context(), i, nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Tag(t.Context(), digest, []string{"again"}); err != nil {
		t.Fatal(err)
	}
	for _, request := range f.seen {
		if strings.Contains(request, "/uploads/") {
			t.Errorf("the second push sends %s", request)
		}
	}
}

func TestTagsThatHadMovedArePutBack(t *testing.T) {
	host, _ := through(t, &flaky{answer: func(_ int, r *http.Request) int {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/third") {
			return 500
		}
		return 0
	}})
	ctx := t.Context()
	r := open(t, host, "acme/back", registry.Credentials{})
	old, err := r.Push(ctx, image(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Tag(ctx, old, []string{"first"}); err != nil {
		t.Fatal(err)
	}
	next, err := r.Push(ctx, image(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Tag(ctx, next, []string{"first", "second", "third"})
	if err == nil || !strings.Contains(err.Error(), "not put back: second") {
		t.Errorf("got %v, want an error that names the tag that is left", err)
	}
	if got, _, err := r.Digest(ctx, "first"); err != nil || got != old {
		t.Errorf("the tag first is %s (%v), want the old %s", got, err, old)
	}
}

func TestACancelInMidPushLeavesNoTag(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("a person said so")
	uploads := 0
	host, _ := through(t, &flaky{answer: func(_ int, r *http.Request) int {
		if r.Method == http.MethodPatch {
			if uploads++; uploads == 2 {
				cancel(why)
			}
		}
		return 0
	}})
	r := open(t, host, "acme/cancelled", registry.Credentials{})
	if _, err := r.Push(ctx, image(t), nil); !errors.Is(err, why) {
		t.Errorf("got %v, want the cause of the cancel", err)
	}
	if err := r.Tag(ctx, "sha256:"+strings.Repeat("0", 64), []string{"main"}); !errors.Is(err, why) {
		t.Errorf("tags move after a cancel: %v", err)
	}
	if _, found, err := r.Digest(t.Context(), "main"); err != nil || found {
		t.Errorf("there is a tag (%t, %v)", found, err)
	}
}

func TestPlainHTTPIsRefusedUnlessAllowed(t *testing.T) {
	asked := false
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = asked || r.Header.Get("Authorization") != ""
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	r, err := registry.Open(host+"/acme/app", registry.Options{Credentials: login(), Backoff: registry.Backoff{First: time.Millisecond, Tries: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Preflight(t.Context()); err == nil {
		t.Error("a registry without TLS was spoken to")
	}
	if asked {
		t.Error("a password went over the network in clear")
	}
}

func TestHosts(t *testing.T) {
	for repository, want := range map[string]string{
		"acme/app": "docker.io", "docker.io/acme/app": "docker.io", "ghcr.io/acme/app": "ghcr.io", "localhost/app": "localhost",
		"127.0.0.1:5000/a/b": "127.0.0.1:5000", "python": "docker.io", "index.docker.io/a/b": "docker.io",
	} {
		if got := registry.Host(repository); got != want {
			t.Errorf("%s is at %s, want %s", repository, got, want)
		}
	}
}

func TestECR(t *testing.T) {
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com": "eu-central-1", "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com": "us-east-1",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn": "cn-north-1", "docker.io": "", "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.org": "",
	} {
		if got, ok := registry.ECRRegion(host); got != want || ok != (want != "") {
			t.Errorf("%s is in %q (%t), want %q", host, got, ok, want)
		}
	}
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("X-Amz-Target"))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, `{"authorizationData":[{"authorizationToken":"`+base64.StdEncoding.EncodeToString([]byte("AWS:token-of-twelve-hours"))+`"}]}`)
	}))
	defer server.Close()
	config := aws.Config{Region: "eu-central-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "key", "")}
	got, err := registry.ECRLogin(t.Context(), config)
	if err != nil || got != (registry.Credentials{User: "AWS", Password: "token-of-twelve-hours"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if !slices.ContainsFunc(asked, func(s string) bool { return strings.HasSuffix(s, "GetAuthorizationToken") }) {
		t.Errorf("AWS was asked %q", asked)
	}
}

// A registry, or something between us and it, that gives back something else than it was given.
func TestWhatIsReadBackIsCompared(t *testing.T) {
	world.Need(t)
	target, err := url.Parse("http://" + world.Open)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Host = p.In.Host
			p.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method != http.MethodGet || !strings.Contains(r.Request.URL.Path, "/manifests/") {
				return nil
			}
			r.Body = io.NopCloser(io.MultiReader(r.Body, strings.NewReader("\n")))
			r.ContentLength++
			r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
			r.Header.Del("Docker-Content-Digest")
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	_, err = open(t, strings.TrimPrefix(server.URL, "http://"), "acme/altered", registry.Credentials{}).Push(t.Context(), image(t), nil)
	problem, ok := errors.AsType[*registry.Problem](err)
	if !ok || !strings.Contains(problem.Title, "does not hold what was pushed") || problem.Temporary {
		t.Errorf("got %+v, want a Problem: it does not hold what was pushed", err)
	}
}
