package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
)

// inputKey names everything that decides a stage's result: the tree, the definition, the toolchain, the outputs it is
// given and the trust of the commit. Empty: this stage is never reused.
func inputKey(tree, toolchain string, spec StageSpec, trusted bool, outputs map[string]string) string {
	if tree == "" || spec.Environment != "" || spec.Steps != OneStep || spec.Uses == UsesSummary || spec.Uses == UsesDefinition {
		return ""
	}
	// Its needs, how often it is tried again and whom it waited for do not change what a stage does; its id does
	// (SLIPWAY_STAGE).
	spec.Key, spec.Needs, spec.Hold, spec.Retry, spec.ContinueOnFailure = "", nil, "", 0, false
	names := slices.Sorted(maps.Keys(outputs))
	given := make([][2]string, 0, len(names))
	for _, name := range names {
		given = append(given, [2]string{name, outputs[name]})
	}
	text, err := json.Marshal(struct {
		Tree, Toolchain string
		Spec            StageSpec
		Trusted         bool
		Outputs         [][2]string
	}{tree, toolchain, spec, trusted, given})
	if err != nil {
		return "" // cannot be named, so it is not reused
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
