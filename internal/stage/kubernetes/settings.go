package kubernetes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"
)

// Settings are the keys of `with`.
type Settings struct {
	// Manifests are folders, files, a kustomization or a chart, relative to the checkout.
	Manifests []string `json:"manifests"`
	// Namespace is the only one objects may be in; empty: their own.
	Namespace string `json:"namespace,omitempty"`
	// Images maps names of images in the manifests to ids of the stages that build them.
	Images map[string]string `json:"images,omitempty"`
	// Phases are patterns of files; nil: the order follows from what the objects are.
	Phases            [][]string `json:"phases,omitempty"`
	Timeout           duration   `json:"timeout"`
	Prune             bool       `json:"prune"`
	RollbackOnFailure bool       `json:"rollback-on-failure"`
	// Conflicts says what is done about fields that somebody else manages: fail or take.
	Conflicts string `json:"conflicts"`
	// Strategy is rolling, or canary.
	Strategy string `json:"strategy"`
	Canary   Canary `json:"canary,omitzero"`
	// Helm goes with a chart.
	Helm Helm `json:"helm,omitzero"`
}

// Helm is how a chart is rendered.
type Helm struct {
	// Release is the name the chart's templates see; empty: the chart's own.
	Release string   `json:"release,omitempty"`
	Values  []string `json:"values,omitempty"`
	// Set are single values by their dotted names.
	Set map[string]string `json:"set,omitempty"`
}

// Values of Settings.Conflicts.
const (
	conflictsFail = "fail"
	conflictsTake = "take"
)

const defaultTimeout = 5 * time.Minute

func (s *Settings) complete() {
	if len(s.Manifests) == 0 {
		s.Manifests = []string{"k8s"}
	}
	s.Timeout = cmp.Or(s.Timeout, duration(defaultTimeout))
	s.Conflicts = cmp.Or(s.Conflicts, conflictsFail)
	if len(s.Canary.Steps) == 0 {
		s.Canary.Steps = defaultSteps()
	}
}

// duration is written as text: "5m".
type duration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *duration) UnmarshalJSON(text []byte) error {
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(written)
	if err != nil {
		return fmt.Errorf("timeout: %w", err)
	}
	*d = duration(parsed)
	return nil
}
