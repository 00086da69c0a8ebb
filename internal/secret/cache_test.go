package secret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// counted holds secrets and counts how often it is asked for each.
type counted struct {
	values map[string]string
	asked  map[string]int
	err    error
}

func (c *counted) GetSecretValue(
	_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options),
) (*secretsmanager.GetSecretValueOutput, error) {
	c.asked[*in.SecretId]++
	if c.err != nil {
		return nil, c.err
	}
	value, ok := c.values[*in.SecretId]
	if !ok {
		return nil, &types.ResourceNotFoundException{}
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: aws.String(value)}, nil
}

// TestKept: the stages of a run ask once, and a secret that is set, changed or taken away counts soon.
func TestKept(t *testing.T) {
	now := time.Unix(1000, 0)
	source := &counted{values: map[string]string{"p/acme/X": "first"}, asked: map[string]int{}}
	m := &Manager{
		client: source, credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), prefix: "p",
		known: newCache(func() time.Time { return now }),
	}
	shop := pipeline.Repository{Owner: "acme", Name: "shop"}
	get := func(want string) {
		t.Helper()
		got, err := m.Secret(t.Context(), shop, "production", "X")
		if got != want || (want == "") != (err != nil) {
			t.Errorf("%q %v, want %q", got, err, want)
		}
	}
	for range 5 {
		get("first")
	}
	for id, n := range source.asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", id, n)
		}
	}
	source.values["p/acme/shop/X"] = "set later"
	get("first")
	now = now.Add(keepMissing)
	get("set later")
	source.values["p/acme/shop/X"] = "changed"
	now = now.Add(keepValue - time.Second)
	get("set later")
	now = now.Add(time.Second)
	get("changed")
	if keepValue > time.Minute || keepMissing > keepValue {
		t.Errorf("kept for %s and %s", keepValue, keepMissing)
	}
	// What AWS does not tell is not taken for an answer: neither kept, nor is an older one used after its time.
	now = now.Add(keepValue)
	source.err = errors.New("away")
	get("")
	source.err = nil
	get("changed")
	source.values = nil
	now = now.Add(keepValue)
	get("")
}

func TestKeptIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	c := newCache(func() time.Time { return now })
	for i := range 10 * maxKept {
		now = now.Add(time.Millisecond)
		c.put(fmt.Sprint(i), answer{value: strings.Repeat("x", 8)})
		if len(c.kept) > maxKept {
			t.Fatalf("%d answers are kept", len(c.kept))
		}
	}
	if _, ok := c.get(fmt.Sprint(10*maxKept - 1)); !ok {
		t.Error("the newest was dropped")
	}
	if _, ok := c.get("0"); ok {
		t.Error("the oldest is still there")
	}
}
