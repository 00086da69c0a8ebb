package smoke

import (
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestHome(t *testing.T) {
	for name, c := range map[string]struct {
		said, want, fails string
		env               map[string]string
	}{
		"what the stage says":      {said: "shop", env: map[string]string{"SLIPWAY_OUTPUT_A_KUBERNETES_NAMESPACE": "other"}, want: "shop"},
		"where it was deployed":    {env: map[string]string{"SLIPWAY_OUTPUT_A_KUBERNETES_NAMESPACE": "shop", "OTHER_KUBERNETES_NAMESPACE": "x"}, want: "shop"},
		"two places":               {env: map[string]string{"SLIPWAY_OUTPUT_A_KUBERNETES_NAMESPACE": "a", "SLIPWAY_OUTPUT_B_KUBERNETES_NAMESPACE": "b"}, want: "default"},
		"nowhere":                  {want: "default"},
		"a secret is part of it":   {env: map[string]string{"SLIPWAY_OUTPUT_A_KUBERNETES_NAMESPACE": "***-manager"}, fails: "reached this stage as ***-manager"},
		"a secret, but it is said": {said: "shop", env: map[string]string{"SLIPWAY_OUTPUT_A_KUBERNETES_NAMESPACE": "***"}, want: "shop"},
	} {
		stage := test{settings: Settings{Namespace: c.said}, task: pipeline.Task{Env: c.env}}
		got, err := stage.home("default")
		if got != c.want || c.fails == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
