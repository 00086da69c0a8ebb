package terraform

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// sharedRemark warns where another environment keeps its state in the same place: each would take down what the other made.
// That is said of backends whose settings alone say where the state is; others may be told by each environment's secrets.
func (a *attempt) sharedRemark() {
	others := a.s.Task().Stage.Alike
	if len(others) == 0 || !slices.Contains([]string{backendS3, "gcs", "azurerm", "remote", backendCloud}, a.backend.kind) {
		return
	}
	text := fmt.Sprintf("%s has its state in %s, and so has %s, by the settings of the pipeline file: what is deployed to one would replace what the other has. "+
		"Put ${{ environment }} into `workspace`, or into a value of `backend-config` such as the key.",
		a.s.Task().Stage.Environment, a.backend, strings.Join(others, " and "))
	a.s.Section(pipeline.Section{Title: "Environments share one state", Text: text})
	a.s.Finding(pipeline.Finding{
		Tool: "slipway", Rule: "shared-state", Path: a.config.backendFile, Line: a.config.backendLine, Level: pipeline.LevelWarning,
		Title: "Environments share one state", Message: text,
	})
}
