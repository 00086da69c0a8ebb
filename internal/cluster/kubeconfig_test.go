package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/stage/stagetest"
)

func kubeconfig(server, cluster, user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q%s}}]
users: [{name: u, user: {%s}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
`, server, cluster, user)
}

func TestKubeconfig(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"token":             {kubeconfig("https://10.0.0.1:6443", "", "token: abcdef"), ""},
		"key":               {kubeconfig("https://10.0.0.1:6443", "", "client-key-data: YWJjZA=="), ""},
		"one context":       {strings.ReplaceAll(kubeconfig("https://a", "", "token: abcdef"), "current-context: x\n", ""), ""},
		"no YAML":           {"a: [", "it is no kubeconfig"},
		"something else":    {"kind: Pod\napiVersion: v1\n", "it is no kubeconfig"},
		"nothing":           {"", "it has no current-context"},
		"a program":         {kubeconfig("https://a", "", "exec: {apiVersion: client.authentication.k8s.io/v1, command: aws, interactiveMode: Never}"), "starts a program (exec)"},
		"an auth provider":  {kubeconfig("https://a", "", "auth-provider: {name: gcp}"), `the auth-provider "gcp"`},
		"a token file":      {kubeconfig("https://a", "", "tokenFile: /var/run/secrets/token"), "files of the machine it was written on (tokenFile)"},
		"a key file":        {kubeconfig("https://a", "", "client-key: /etc/k, client-certificate: /etc/c"), "(client-certificate, client-key)"},
		"an authority file": {kubeconfig("https://a", ", certificate-authority: /etc/ca", "token: abcdef"), "(certificate-authority)"},
		"no user":           {strings.ReplaceAll(kubeconfig("https://a", "", "token: abcdef"), "user: u", "user: v"), `the user "v"`},
		"no cluster":        {strings.ReplaceAll(kubeconfig("https://a", "", "token: abcdef"), "{cluster: c", "{cluster: d"), `the cluster "d"`},
		"no context":        {strings.ReplaceAll(kubeconfig("https://a", "", "token: abcdef"), "current-context: x", "current-context: other"), `"other" is not among`},
	} {
		t.Run(name, func(t *testing.T) {
			config, namespace, err := Kubeconfig([]byte(c.text))
			switch {
			case c.want == "" && (err != nil || namespace != "shop" || config.ExecProvider != nil):
				t.Errorf("%v, %q", err, namespace)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %s", err, c.want)
			case err != nil && strings.Contains(err.Error(), "abcdef"):
				t.Error("the error holds the token")
			}
		})
	}
}

func TestSecretsOf(t *testing.T) {
	got := SecretsOf([]byte(kubeconfig("https://a", "", "token: abcdef, password: hunter22, client-key-data: YWJjZA==, username: admin")))
	if !slices.Equal(got, []string{"abcdef", "hunter22", "abcd"}) {
		t.Error(got)
	}
	if SecretsOf([]byte("a: [")) != nil {
		t.Error("what is no kubeconfig has values of its own")
	}
}

func session(t *testing.T, env *pipeline.EnvironmentDefinition, secrets map[string]string) *stagetest.Session {
	t.Helper()
	return stagetest.New(t, stagetest.Options{Task: pipeline.Task{Stage: pipeline.StageSpec{Environment: "test"}, Environment: env}, Secrets: secrets})
}

func TestOpenExplains(t *testing.T) {
	answer := http.StatusUnauthorized
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(answer)
		fmt.Fprintf(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "said the server", "reason": %q, "code": %d}`, http.StatusText(answer), answer)
	}))
	t.Cleanup(server.Close)
	env := &pipeline.EnvironmentDefinition{Name: "test", Cluster: &pipeline.ClusterDefinition{Kubeconfig: "K"}}
	insecure := ", insecure-skip-tls-verify: true"
	for name, c := range map[string]struct {
		env     *pipeline.EnvironmentDefinition
		secret  string
		answer  int
		want    string
		reached bool
	}{
		"no environment": {nil, "", 0, "names no cluster", true},
		"no cluster":     {&pipeline.EnvironmentDefinition{Name: "test"}, "", 0, "names no cluster", true},
		"no secret":      {env, "", 0, "The secret K, which holds the kubeconfig of the environment test, is not set", true},
		"no kubeconfig":  {env, "nonsense text", 0, "The secret K is no kubeconfig that can be used: it is no kubeconfig", true},
		"not logged in":  {env, kubeconfig(server.URL, insecure, "token: abcdef"), http.StatusUnauthorized, "error: You must be logged in to the server (the server has asked for the client to provide credentials)", true},
		"other name":     {env, kubeconfig(server.URL, "", "token: abcdef"), http.StatusUnauthorized, "its certificate is not signed by the authority", false},
		"nobody there":   {env, kubeconfig("https://127.0.0.1:1", insecure, "token: abcdef"), 0, "nothing listens at its address", false},
		"unknown host":   {env, kubeconfig("https://nothing.invalid", insecure, "token: abcdef"), 0, "its name nothing.invalid is not known", false},
		"no TLS":         {env, kubeconfig(strings.Replace(server.URL, "https", "http", 1), "", "token: abcdef"), 0, "did not", true},
	} {
		t.Run(name, func(t *testing.T) {
			secrets := map[string]string{}
			if c.secret != "" {
				secrets["K"] = c.secret
			}
			answer = c.answer
			if answer == 0 {
				answer = http.StatusForbidden
			}
			_, err := Open(t.Context(), session(t, c.env, secrets))
			var p *Problem
			if !errors.As(err, &p) || !strings.Contains(p.Cause, c.want) || p.Unreachable == c.reached {
				t.Errorf("%+v, want %s", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "abcdef") {
				t.Error("the error holds the token")
			}
		})
	}
}

func TestExplain(t *testing.T) {
	gr := schema.GroupResource{Group: "apps", Resource: "deployments"}
	for _, c := range []struct {
		err           error
		title         string
		away, passing bool
	}{
		{apierrors.NewForbidden(gr, "web", errors.New("no")), "The credentials may not read it", false, false},
		{apierrors.NewUnauthorized("no"), "The cluster did not accept the credentials", false, false},
		{apierrors.NewServiceUnavailable("soon"), "The cluster does not answer in time", true, true},
		{apierrors.NewTooManyRequests("later", 1), "The cluster does not answer in time", true, true},
		{apierrors.NewBadRequest("what?"), "The cluster refused a request", false, false},
		{errors.New("unexpected EOF"), "The cluster cannot be reached", true, true},
	} {
		var p *Problem
		if err := Explain(c.err, "read it"); !errors.As(err, &p) || p.Title != c.title || p.Unreachable != c.away || Passing(err) != c.passing || Passing(c.err) != c.passing {
			t.Errorf("%v: %+v", c.err, p)
		}
	}
	if Explain(nil, "") != nil || Unreachable(nil) || Passing(nil) {
		t.Error("nothing is wrong")
	}
}

// TestWarnings of the API server reach whoever asked for them.
func TestWarnings(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Add("Warning", `299 - "policy/v1beta1 PodSecurityPolicy is deprecated"`)
		fmt.Fprint(w, `{"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}}`)
	}))
	t.Cleanup(server.Close)
	clients, err := NewClients(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	ctx := WithWarnings(t.Context(), func(text string) { heard = append(heard, text) })
	for range 2 {
		if err := clients.Kube.CoreV1().RESTClient().Get().AbsPath("/api/v1/namespaces/a/configmaps/a").Do(ctx).Error(); err != nil {
			t.Fatal(err)
		}
		ctx = t.Context() // nobody asks
	}
	if !slices.Equal(heard, []string{"policy/v1beta1 PodSecurityPolicy is deprecated"}) {
		t.Error(heard)
	}
}
