package pipelinefile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// TerraformSettings is `with` of a terraform stage.
type TerraformSettings struct {
	Dir           string            `json:"dir" doc:"The folder of the root module." default:"infra" format:"path"`
	Workspace     string            `json:"workspace,omitempty" doc:"The workspace; without it the default one." format:"workspace"`
	BackendConfig map[string]string `json:"backend-config,omitempty" doc:"Settings of the backend; ${{ environment }} in a value is the environment's name." keys:"terraform-variable" rule:"scalar empty"`
	Vars          map[string]any    `json:"vars,omitempty" doc:"Input variables; ${{ environment }} in a text is the environment's name." keys:"terraform-variable"`
	VarFiles      []string          `json:"var-files,omitempty" doc:"Files of input variables." format:"path" rule:"unique"`
	AllowDestroy  bool              `json:"allow-destroy" doc:"Whether a plan that destroys goes ahead like any other; otherwise it needs one approval more."`
}

// environmentExpression stands in the settings of a terraform stage for the environment that it is for; the plan fills it in.
var environmentExpression = regexp.MustCompile(`\$\{\{\s*environment\s*}}`)

// checkTerraform reports expressions that nobody fills in: the state would be kept under their very text.
func checkTerraform(d *decoder, settings any, at path) {
	t, ok := settings.(*TerraformSettings)
	if !ok {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(t.BackendConfig)) {
		if rest := environmentExpression.ReplaceAllString(t.BackendConfig[name], ""); strings.Contains(rest, "${{") {
			d.problemf(at.key("backend-config").key(name), "holds %s: what is filled in there is ${{ environment }} and, in a matrix, ${{ matrix.NAME }}", show(rest))
		}
	}
}

// KubernetesSettings is `with` of a kubernetes stage.
type KubernetesSettings struct {
	Manifests []string `json:"manifests" doc:"A folder, files, or a kustomization." default:"k8s" format:"path" rule:"some unique"`
	Namespace string   `json:"namespace,omitempty" doc:"The namespace; without it the manifests' own." format:"label"`
	// Images maps names of images in the manifests to ids of image stages.
	Images map[string]string `json:"images,omitempty" doc:"Images in the manifests and the stages that build them."`
	// Phases are groups of manifests applied one after the other, each waited for.
	Phases            []Phase  `json:"phases,omitempty" doc:"Groups of manifest files applied one after the other, each waited for; without it they follow from what the manifests hold." rule:"some"`
	Timeout           Duration `json:"timeout" doc:"How long a rollout may take." default:"5m"`
	Prune             bool     `json:"prune" doc:"Whether objects that left the manifests are deleted."`
	RollbackOnFailure bool     `json:"rollback-on-failure" doc:"Whether a rollout that fails, or after which a stage of the environment such as smoke tests fails, goes back to the release before."`
	Conflicts         string   `json:"conflicts" doc:"What is done about fields that somebody else manages in the cluster: fail, or take them." enum:"fail take" default:"fail"`
	Strategy          string   `json:"strategy" doc:"How what is new takes the place of what runs: rolling, or canary, which first tries it beside." enum:"rolling canary" default:"rolling"`
	// Canary is nil where nothing is said of it.
	Canary *CanarySettings `json:"canary,omitempty" doc:"How a canary is tried."`
	// Helm is nil where nothing is said of charts.
	Helm *HelmSettings `json:"helm,omitempty" doc:"How the chart is rendered, where the manifests are one."`
}

// CanarySettings is `canary` of a kubernetes stage.
type CanarySettings struct {
	Steps []int `json:"steps" doc:"Percentages of the pods that are new, one after the other." default:"25" min:"1" max:"90" rule:"some"`
	// Smoke is nil where it is enough that the new pods are ready.
	Smoke *SmokeSettings `json:"smoke,omitempty" doc:"What the new pods are asked after each step, as with of a smoke stage."`
}

func checkKubernetes(d *decoder, settings any, at path) {
	k, ok := settings.(*KubernetesSettings)
	if !ok || k.Canary == nil {
		return
	}
	if k.Strategy != "canary" {
		d.keyProblemf(at.key("canary"), "goes with strategy: canary")
	}
	for i := 1; i < len(k.Canary.Steps); i++ {
		if k.Canary.Steps[i] > 0 && k.Canary.Steps[i] <= k.Canary.Steps[i-1] {
			d.problemf(at.key("canary").key("steps"), "must rise: %d comes after %d", k.Canary.Steps[i], k.Canary.Steps[i-1])
			break
		}
	}
	if k.Canary.Smoke != nil {
		checkSmoke(d, k.Canary.Smoke, at.key("canary").key("smoke"))
	}
}

// HelmSettings is `helm` of a kubernetes stage.
type HelmSettings struct {
	Release string            `json:"release,omitempty" doc:"The name of the release that the templates see; without it the chart's." format:"label"`
	Values  []string          `json:"values,omitempty" doc:"Files of values, relative to the repository; later ones win." format:"path" rule:"unique"`
	Set     map[string]string `json:"set,omitempty" doc:"Single values by their dotted names." keys:"helm-value" rule:"scalar empty"`
}

// Phase is a list of file patterns within the manifests.
type Phase []string

func (p *Phase) decode(d *decoder, n *yaml.Node, at path) {
	var files []string
	d.value(n, reflectValue(&files), field{format: "glob", rules: []string{"some", "unique"}}, at)
	*p = files
}

func (*Phase) schema() map[string]any {
	return listSchema(map[string]any{"type": "string", "minLength": 1}, true)
}

// SmokeSettings is `with` of a smoke stage. Exactly one of Service and URL is set.
type SmokeSettings struct {
	Service string `json:"service,omitempty" doc:"The Kubernetes service to ask." format:"label"`
	URL     string `json:"url,omitempty" doc:"The address to ask." format:"url"`
	// Namespace is the service's.
	Namespace string       `json:"namespace,omitempty" doc:"The namespace of the service; without it the one that the kubernetes stage before deployed to." format:"label"`
	Port      int          `json:"port,omitempty" doc:"The service's port; without it its only or first one." min:"1" max:"65535"`
	Attempts  int          `json:"attempts" doc:"How often each check is tried." default:"10" min:"1" max:"1000"`
	Interval  Duration     `json:"interval" doc:"The pause between tries." default:"10s"`
	Checks    []SmokeCheck `json:"checks" doc:"The requests; without any, GET / must answer 200." rule:"some"`
}

// SmokeCheck is one request and what its answer must be. In JSON it always has method and path.
type SmokeCheck struct {
	Method   string            `json:"method" doc:"The method; or write get, post, put, patch, delete, head or options with the path." enum:"GET POST PUT PATCH DELETE HEAD OPTIONS"`
	Path     string            `json:"path" doc:"The path of the request." format:"url-path"`
	JSON     any               `json:"json,omitempty" doc:"A body that is sent as JSON."`
	Body     string            `json:"body,omitempty" doc:"A body that is sent as it is." rule:"empty"`
	Headers  map[string]string `json:"headers,omitempty" doc:"Headers of the request." keys:"header" rule:"scalar empty"`
	Status   []int             `json:"status" doc:"The status, or several, of which the answer must have one." default:"200" min:"100" max:"599" rule:"some"`
	Contains []string          `json:"contains,omitempty" doc:"Text the answer must hold." rule:"scalar"`
	JSONPath map[string]any    `json:"jsonpath,omitempty" doc:"Values the JSON answer must have, by their JSONPath." keys:"jsonpath"`
	MaxMS    int               `json:"max-ms,omitempty" doc:"How many milliseconds the answer may take." min:"1" max:"600000"`
}

func checkSmoke(d *decoder, settings any, at path) {
	smoke, ok := settings.(*SmokeSettings)
	if !ok {
		return
	}
	service, url := d.has(at.key("service")), d.has(at.key("url"))
	switch {
	case !service && !url:
		d.keyProblemf(at, "has neither service nor url: say which Kubernetes service or which address to ask")
	case service && url:
		d.problemf(at.key("url"), "and service exclude each other: keep one of them")
	case url && d.has(at.key("port")):
		d.problemf(at.key("port"), "goes with service: write the port into the url")
	}
	if url && !service && d.has(at.key("namespace")) {
		d.problemf(at.key("namespace"), "goes with service: a url says where it is by itself")
	}
	if len(smoke.Checks) == 0 {
		smoke.Checks = []SmokeCheck{{Method: "GET", Path: "/", Status: []int{200}}}
	}
}

// decode takes the short form {get: /path} apart before the other keys are read.
func (c *SmokeCheck) decode(d *decoder, n *yaml.Node, at path) {
	type plain SmokeCheck // without this method
	rest := n
	if n.Kind == yaml.MappingNode {
		rest = d.requestLine(n, c, at)
	}
	method, target := c.Method, c.Path
	d.value(rest, reflectValue((*plain)(c)), field{}, at)
	if method != "" {
		if d.has(at.key("method")) || d.has(at.key("path")) {
			d.atf(n, "%s names its request twice: keep either the short form (get: /path) or method and path", at)
		}
		c.Method, c.Path = method, target
	}
	switch {
	case n.Kind == yaml.MappingNode && c.Method == "" && c.Path == "" && !d.has(at.key("path")) && !d.has(at.key("method")):
		d.atf(n, "%s has no request: write get: /path, or method and path", at)
	case c.Method == "" && !d.has(at.key("method")):
		c.Method = "GET"
	case c.Path == "" && d.has(at.key("method")) && !d.has(at.key("path")):
		d.atf(n, "%s.path is missing: the path of the request", at)
	}
	if c.JSON != nil && d.has(at.key("body")) {
		d.atf(n, "%s has both json and body: keep one of them", at)
	}
}

func shortMethods() map[string]string {
	return map[string]string{
		"get": "GET", "post": "POST", "put": "PUT", "patch": "PATCH", "delete": "DELETE", "head": "HEAD", "options": "OPTIONS",
	}
}

// requestLine takes the short form out of a check and returns the other keys.
func (d *decoder) requestLine(n *yaml.Node, c *SmokeCheck, at path) *yaml.Node {
	rest := &yaml.Node{Kind: yaml.MappingNode, Tag: tagMap, Line: n.Line, Column: n.Column}
	methods := shortMethods()
	var seen []string
	for _, p := range pairs(d.collector, n) {
		method, isMethod := methods[p.key.Value]
		if !isMethod {
			rest.Content = append(rest.Content, p.key, p.value)
			continue
		}
		seen = append(seen, p.key.Value)
		c.Method = method
		d.value(p.value, reflectValue(&c.Path), field{format: "url-path"}, at.key(p.key.Value))
	}
	if len(seen) > 1 {
		slices.Sort(seen)
		d.atf(n, "%s has several requests (%s): write one check for each", at, quoteList(seen))
	}
	return rest
}
