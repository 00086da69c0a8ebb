package kubernetes

import (
	"slices"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// TestMissingProbes are those of containers that get requests, as far as the manifests tell.
func TestMissingProbes(t *testing.T) {
	const (
		service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}}\n"
		head    = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n"
		web     = "      - {name: web, image: shop:1}\n"
		port    = "      - {name: web, image: shop:1, ports: [{containerPort: 80}]}\n"
		probed  = "      - {name: web, image: shop:1, readinessProbe: {exec: {command: [x]}}}\n"
		sidecar = "      - {name: logs, image: logs:1}\n"
	)
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"a worker":                        {head + web, false},
		"with a port":                     {head + port, true},
		"behind a Service":                {head + web + service, true},
		"behind a Service, with a probe":  {head + probed + service, false},
		"one of two, of which none tells": {head + web + sidecar + service, false},
		"one of two that tells":           {head + port + sidecar + service, true},
	} {
		var w wrongs
		found := slices.ContainsFunc(lint(parse("a.yaml", c.text, &w), nil), func(f pipeline.Finding) bool { return f.Rule == "no-probe" })
		if found != c.want || len(w) > 0 {
			t.Errorf("%s: %t %v", name, found, w)
		}
	}
}
