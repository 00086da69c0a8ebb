package pipelinefile

import (
	"strings"
	"testing"
)

// The example of GitHub's page on include, and smaller ones.
func TestMatrixLegs(t *testing.T) {
	for _, test := range []struct{ name, matrix, want string }{
		{"product, first list slowest", `{os: [linux, mac], v: [1, 2]}`, "linux,1 linux,2 mac,1 mac,2"},
		{"a single value", `{os: linux}`, "linux"},
		{"exclude", `{os: [linux, mac], v: [1, 2], exclude: [{os: mac, v: 1}]}`, "linux,1 linux,2 mac,2"},
		{"exclude of a part", `{os: [linux, mac], v: [1, 2], exclude: {os: mac}}`, "linux,1 linux,2"},
		{"exclude of an unknown name", `{os: [linux], exclude: {arch: arm}}`, "linux"},
		{"only include", `{include: [{os: linux, v: 1}, {os: mac}]}`, "linux,1 mac"},
		{"include adds to all", `{os: [a, b], include: [{x: 1}]}`, "a,1 b,1"},
		{"include after exclude brings back", `{os: [a, b], exclude: {os: b}, include: {os: b, x: 1}}`, "a b,1"},
		{
			"GitHub's example",
			`{fruit: [apple, pear], animal: [cat, dog], include: [{color: green}, {color: pink, animal: cat}, {fruit: apple, shape: circle}, {fruit: banana}, {fruit: banana, animal: cat}]}`,
			"apple,cat,pink,circle apple,dog,green,circle pear,cat,pink pear,dog,green banana banana,cat",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			definition, err := Parse("f", []byte("stages: {s: {run: [make], matrix: "+test.matrix+"}}"))
			if err != nil {
				t.Fatal(err)
			}
			legs := make([]string, 0, len(definition.Stages[0].Matrix))
			for _, leg := range definition.Stages[0].Matrix {
				values := make([]string, 0, len(leg))
				for _, v := range leg {
					values = append(values, v.Value)
				}
				legs = append(legs, strings.Join(values, ","))
			}
			if got := strings.Join(legs, " "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
