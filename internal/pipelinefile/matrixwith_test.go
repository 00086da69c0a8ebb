package pipelinefile

import (
	"errors"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

func TestMatrixInSettings(t *testing.T) {
	_, err := Parse("example", []byte(`stages:
  infra:
    uses: terraform
    matrix:
      part: [network, shop]
      include: [{part: shop, size: "3"}, {part: network, size: "1"}]
    with:
      dir: infra/${{ matrix.part }}
      workspace: ${{ matrix.size }}
      vars: {replicas: "${{matrix.size}} of them"}
  test:
    uses: python
    matrix: {min: [80, 90]}
    with: {coverage-min: "${{ matrix.min }}", tests: tests/}
  unit:
    uses: python
    matrix: {min: [80, 90]}
    with:
      coverage-min: ${{ matrix.min }}
`))
	if invalid, ok := errors.AsType[*pipeline.InvalidDefinitionError](err); !ok || len(invalid.Problems) != 2 || !strings.Contains(err.Error(), "coverage-min must be a number") {
		t.Fatalf("error = %v: a number in quotes is no number, with or without a matrix", err)
	}
	d, err := Parse("example", []byte(`stages:
  infra:
    uses: terraform
    matrix:
      part: [network, shop]
      include: [{part: shop, size: "3"}, {part: network, size: "1"}]
    with:
      dir: infra/${{ matrix.part }}
      workspace: ${{ matrix.size }}
      vars: {replicas: "${{matrix.size}} of them"}
  unit:
    uses: python
    matrix: {min: [80, 90]}
    with:
      coverage-min: ${{ matrix.min }}
  plain:
    uses: terraform
    matrix: {part: [a, b]}
`))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`"dir":"infra/network","workspace":"1","vars":{"replicas":"1 of them"}`, `"dir":"infra/shop","workspace":"3","vars":{"replicas":"3 of them"}`} {
		if got := string(d.Stages[0].LegWith[i]); !strings.Contains(got, want) {
			t.Errorf("leg %d: %s", i, got)
		}
	}
	if got := string(d.Stages[1].LegWith[1]); !strings.Contains(got, `"coverage-min":90`) {
		t.Errorf("got %s", got)
	}
	if d.Stages[2].LegWith != nil {
		t.Error("settings without values of the matrix are kept for each leg")
	}
}

func TestMatrixInSettingsGoesWrong(t *testing.T) {
	for name, test := range map[string]struct{ stage, want string }{
		"no matrix":       {"    with: {dir: \"${{ matrix.part }}\"}\n", "with takes it in a stage that has a matrix"},
		"another name":    {"    matrix: {part: [a]}\n    with: {dir: \"${{ matrix.prat }}\"}\n", "has no value of that name: did you mean part?"},
		"out of the repo": {"    matrix: {part: [a, ../..]}\n    with: {dir: \"infra/${{ matrix.part }}\"}\n", ""},
		"far out":         {"    matrix: {part: [a, ../../..]}\n    with: {dir: \"infra/${{ matrix.part }}\"}\n", "must not lead out of the repository"},
		"another context": {"    matrix: {part: [a]}\n    with: {dir: \"${{ matrix.part }}/${{ github.sha }}\"}\n", "an expression of GitHub Actions"},
	} {
		_, err := Parse("example", []byte("stages:\n  infra:\n    uses: terraform\n"+test.stage))
		if test.want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error = %v, want %q", name, err, test.want)
		}
	}
}

func TestTheEnvironmentInTerraformSettings(t *testing.T) {
	text := func(with string) string { return "stages:\n  tf:\n    uses: terraform\n    with:\n" + with }
	good := text("      workspace: shop-${{ environment }}\n      backend-config: {key: \"${{ environment }}/shop.tfstate\"}\n      vars: {name: \"shop-${{ environment }}\"}\n      var-files: [\"${{ environment }}.tfvars\"]\n")
	if _, err := Parse("f", []byte(good)); err != nil {
		t.Error(err)
	}
	for _, with := range []string{"      workspace: ${{ environ }}\n", "      backend-config: {key: \"${{ environ }}/x\"}\n"} {
		if _, err := Parse("f", []byte(text(with))); err == nil || !strings.Contains(err.Error(), "${{ environment }}") {
			t.Errorf("%q: %v", with, err)
		}
	}
}
