package secret_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/secret"
)

// opener makes a source that holds values by their place, owner/repository/environment/NAME and what is shorter.
type opener func(t *testing.T, values map[string]string) pipeline.SecretSource

var shop = pipeline.Repository{Owner: "acme", Name: "shop"}

// testSource is what every source does. most is how large a value can be in it.
func testSource(t *testing.T, most int, open opener) {
	t.Run("nearest wins", func(t *testing.T) { testNearestWins(t, open) })
	t.Run("values", func(t *testing.T) { testValues(t, most, open) })
	t.Run("names", func(t *testing.T) { testNames(t, open) })
	t.Run("isolation", func(t *testing.T) { testIsolation(t, open) })
	t.Run("a bad one is not passed over", func(t *testing.T) { testBadOne(t, open) })
	t.Run("many at once", func(t *testing.T) { testManyAtOnce(t, open) })
}

func testNearestWins(t *testing.T, open opener) {
	source := open(t, map[string]string{
		"acme/shop/production/A": "environment", "acme/shop/A": "repository", "acme/A": "owner",
		"acme/shop/B": "repository", "acme/B": "owner", "acme/C": "owner", "other/D": "another owner",
		"acme/shop/DIR/x": "below that name", "acme/DIR": "owner",
	})
	for _, test := range []struct{ environment, name, want string }{
		{"production", "A", "environment"},
		{"staging", "A", "repository"},
		{"", "A", "repository"},
		{"production", "B", "repository"},
		{"production", "C", "owner"},
		{"", "DIR", "owner"},
		{"A", "B", "repository"}, // an environment named like a secret
		{"production", "D", ""},
		{"production", "E", ""},
	} {
		for range 2 { // what was found out once is the same again
			got, err := source.Secret(t.Context(), shop, test.environment, test.name)
			if test.want == "" {
				if !errors.Is(err, pipeline.ErrNotFound) || got != "" {
					t.Errorf("%s %s: %q %v", test.environment, test.name, got, err)
				}
				continue
			}
			if err != nil || got != test.want {
				t.Errorf("%s %s: %q %v, want %q", test.environment, test.name, got, err, test.want)
			}
		}
	}
}

func testValues(t *testing.T, most int, open opener) {
	tests := map[string]struct{ content, want, problem string }{
		"AS_IT_IS":     {"value", "value", ""},
		"NEWLINE":      {"value\n", "value", ""},
		"WINDOWS":      {"value\r\n", "value", ""},
		"TWO_NEWLINES": {"value\n\n", "value\n", ""},
		"LINES":        {"one\ntwo\n", "one\ntwo", ""},
		"SPACES":       {" value \n", " value ", ""},
		"FOUR":         {"äöüß", "äöüß", ""},
		"THREE":        {"abc\n", "", "fewer than 4"},
		"THREE_LONG":   {"äöü", "", "fewer than 4"},
		"ZERO":         {"val\x00ue", "", "zero byte"},
		"LARGE":        {strings.Repeat("x", most), strings.Repeat("x", most), ""},
		"JSON":         {`{"user":"a"}`, `{"user":"a"}`, ""},
	}
	values := make(map[string]string)
	for name, test := range tests {
		values["acme/"+name] = test.content
	}
	source := open(t, values)
	for name, test := range tests {
		got, err := source.Secret(t.Context(), shop, "", name)
		if test.problem == "" {
			if err != nil || got != test.want {
				t.Errorf("%s: %.50q %v", name, got, err)
			}
			continue
		}
		var invalid *secret.InvalidError
		if !errors.As(err, &invalid) || !strings.Contains(err.Error(), test.problem) || got != "" {
			t.Errorf("%s: %.50q %v", name, got, err)
		}
		if err != nil && (strings.Contains(err.Error(), test.content) || !strings.Contains(err.Error(), name)) {
			t.Errorf("%s: the value is in it, or the name is not: %v", name, err)
		}
	}
}

func testNames(t *testing.T, open opener) {
	source := open(t, map[string]string{"acme/shop/X": "value", "acme/other/X": "another"})
	for _, name := range []string{"", ".", "..", "../X", "a/b", "1X", "X Y", "X\n", "-X", strings.Repeat("X", 256)} {
		if got, err := source.Secret(t.Context(), shop, "", name); err == nil || errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("name %q: %q %v", name, got, err)
		}
	}
	for _, repository := range []pipeline.Repository{
		{Owner: "..", Name: "shop"}, {Owner: "acme", Name: ".."}, {Owner: "acme/other", Name: "x"}, {Owner: "", Name: "shop"}, {Owner: "acme"},
	} {
		if got, err := source.Secret(t.Context(), repository, "", "X"); err == nil || errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("%+v: %q %v", repository, got, err)
		}
	}
	for _, environment := range []string{"..", "../other", "../../acme/other", "."} {
		if got, err := source.Secret(t.Context(), shop, environment, "X"); err == nil || errors.Is(err, pipeline.ErrNotFound) {
			t.Errorf("environment %q: %q %v", environment, got, err)
		}
	}
	// Names that are in order and longer than any store can have.
	long := pipeline.Repository{Owner: strings.Repeat("o", 200), Name: strings.Repeat("r", 200)}
	if got, err := source.Secret(t.Context(), long, strings.Repeat("e", 200), strings.Repeat("X", 200)); !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("long names: %q %v", got, err)
	}
}

// testIsolation tries every spelling that could lead a stage of one place to the secret of another.
func testIsolation(t *testing.T, open opener) {
	const hidden = "secret-of-production"
	source := open(t, map[string]string{"acme/shop/production/KEY": hidden, "acme/shop/staging/OWN": "own-of-staging"})
	if got, err := source.Secret(t.Context(), shop, "production", "KEY"); err != nil || got != hidden {
		t.Fatalf("its own environment: %q %v", got, err)
	}
	never := func(repository pipeline.Repository, environment, name string) {
		t.Helper()
		got, err := source.Secret(t.Context(), repository, environment, name)
		if err == nil || strings.Contains(got, hidden) || strings.Contains(err.Error(), hidden) {
			t.Errorf("owner %q, repository %q, environment %q, name %q: %q %v", repository.Owner, repository.Name, environment, name, got, err)
		}
	}
	for _, environment := range []string{
		"", "staging", "staging/../production", "../shop/production", "./production", "production/", "/production", "production/.", "//production",
		"PRODUCTION", "Production", "production ", " production", "production.", ".production", "production\x00", "production\n", "production\r",
		"staging\x00/../production", `staging\..\production`, "staging%2f..%2fproduction", "%70roduction", "prod*", "?roduction", "production?x=1",
		"ｐroduction", "pr\u043eduction", "prod\u200buction", "production\u0301", "production\u202e", "staging\u2215..\u2215production",
		"staging\uff0f..\uff0fproduction", "arn:aws:secretsmanager:us-east-1:123456789012:secret:acme/shop/production/KEY",
	} {
		never(shop, environment, "KEY")
	}
	for _, name := range []string{
		"production/KEY", "../production/KEY", "./../production/KEY", "shop/production/KEY", "key", "Key", "KEY ", " KEY", "KEY\n", "KEY\x00", "KEY/",
		"K\u0415Y", "ＫEY", "KEY\u200b", `..\production\KEY`, "%4bEY", "KEY?versionStage=AWSPREVIOUS", "KEY-abcdef",
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:acme/shop/production/KEY",
	} {
		for _, environment := range []string{"", "staging"} {
			never(shop, environment, name)
		}
	}
	for _, repository := range []pipeline.Repository{
		{Owner: "acme", Name: "shop/production"}, {Owner: "acme/shop", Name: "production"}, {Owner: "acme", Name: "SHOP"}, {Owner: "ACME", Name: "shop"},
		{Owner: "acme", Name: "other/../shop"}, {Owner: "other/../acme", Name: "shop"}, {Owner: "acme", Name: "shop "}, {Owner: "acme", Name: "sh\u043ep"},
		{Owner: "acme", Name: "shop\x00"}, {Owner: "acme", Name: "production"}, {Owner: "shop", Name: "production"}, {Owner: ".", Name: "shop"},
	} {
		for _, environment := range []string{"", "staging", "../shop/production"} {
			never(repository, environment, "KEY")
		}
	}
}

// testBadOne: a nearer secret that is no good is told, and no farther one taken in its place.
func testBadOne(t *testing.T, open opener) {
	source := open(t, map[string]string{"acme/shop/production/X": "abc", "acme/shop/X": "of the repository"})
	got, err := source.Secret(t.Context(), shop, "production", "X")
	var invalid *secret.InvalidError
	if !errors.As(err, &invalid) || got != "" {
		t.Errorf("%q %v", got, err)
	}
}

func testManyAtOnce(t *testing.T, open opener) {
	values := make(map[string]string)
	for i := range 20 {
		values[fmt.Sprintf("acme/shop/X%d", i)] = fmt.Sprintf("value-%d", i)
	}
	source := open(t, values)
	failed := make(chan error)
	for i := range 100 {
		go func() {
			got, err := source.Secret(t.Context(), shop, "production", fmt.Sprintf("X%d", i%20))
			if want := fmt.Sprintf("value-%d", i%20); err == nil && got != want {
				err = fmt.Errorf("%q instead of %q", got, want)
			}
			failed <- err
		}()
	}
	for range 100 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}
