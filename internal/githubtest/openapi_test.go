package githubtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/githubtest/openapi"
)

func TestOperationsAreThoseServed(t *testing.T) {
	var served []string
	for _, list := range allRoutes() {
		for _, rt := range list {
			served = append(served, nameless(rt.pattern))
		}
	}
	described := strings.Split(strings.TrimSpace(openapi.Operations()), "\n")
	slices.Sort(served)
	slices.Sort(described)
	if !slices.Equal(served, described) {
		t.Errorf("served  %v\ndescribed %v", served, described)
	}
	spec, err := loadDescription()
	if err != nil {
		t.Fatal(err)
	}
	for _, operation := range described {
		if spec.operations[operation] == nil {
			t.Errorf("%s is not in the description: regenerate it", operation)
		}
	}
}
