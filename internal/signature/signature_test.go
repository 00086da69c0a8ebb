package signature_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"github.com/slipwayhq/slipway/internal/signature"
)

// shelf is a repository in memory.
type shelf map[string]v1.Image

func (shelf) String() string { return "registry.example/acme/app" }

func (s shelf) Image(_ context.Context, reference string) (v1.Image, bool, error) {
	image, found := s[reference]
	return image, found, nil
}

func (s shelf) Write(_ context.Context, image v1.Image, tag string) error {
	s[tag] = image
	return nil
}

func digest(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// newKey makes a key as `cosign generate-key-pair` does.
func newKey(t *testing.T, password string) *signature.Key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := encrypted.Encrypt(der, []byte(password))
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed}))
	if _, err := signature.ParseKey(text, password+"x"); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("a wrong password: %v", err)
	}
	key, err := signature.ParseKey(text, password)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSignAndVerify(t *testing.T) {
	ctx, in := t.Context(), shelf{}
	alice, bob := newKey(t, "secret of alice"), newKey(t, "secret of bob")
	refused := func(what, digest string, key *signature.Key) {
		t.Helper()
		err := signature.Verify(ctx, in, digest, key.Public())
		if _, ok := errors.AsType[*signature.UnsignedError](err); !ok {
			t.Errorf("%s: got %v, want an UnsignedError", what, err)
		}
	}
	refused("unsigned", digest("1"), alice)
	if err := signature.Sign(ctx, in, digest("1"), alice); err != nil {
		t.Fatal(err)
	}
	if err := signature.Verify(ctx, in, digest("1"), alice.Public()); err != nil {
		t.Error(err)
	}
	refused("another key", digest("1"), bob)
	refused("another image", digest("2"), alice)
	// A signature that is moved to another image's place speaks of the first.
	in[signature.Tag(digest("2"))] = in[signature.Tag(digest("1"))]
	refused("a moved signature", digest("2"), alice)
	t.Run("twice", func(t *testing.T) {
		if err := signature.Sign(ctx, in, digest("1"), alice); err != nil {
			t.Fatal(err)
		}
		if err := signature.Sign(ctx, in, digest("1"), bob); err != nil {
			t.Fatal(err)
		}
		layers, err := in[signature.Tag(digest("1"))].Layers()
		if err != nil || len(layers) != 2 {
			t.Errorf("there are %d signatures (%v), want one of each", len(layers), err)
		}
		for _, key := range []*signature.Key{alice, bob} {
			if err := signature.Verify(ctx, in, digest("1"), key.Public()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPublicKeysAreThoseOfCosign(t *testing.T) {
	key := newKey(t, "long enough")
	text, err := key.Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	read, err := signature.ParsePublicKey(text)
	if err != nil {
		t.Fatal(err)
	}
	in := shelf{}
	if err := signature.Sign(t.Context(), in, digest("3"), key); err != nil {
		t.Fatal(err)
	}
	if err := signature.Verify(t.Context(), in, digest("3"), read); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "no key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := signature.ParsePublicKey(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
	if _, err := signature.ParseKey("no key", ""); err == nil {
		t.Error("text is taken for a key")
	}
}

// TestAKeyOfCosign reads a key pair that cosign itself has made; its password is "of the test".
func TestAKeyOfCosign(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	key, err := signature.ParseKey(read("cosign.key"), "of the test")
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.Public().PEM()
	if err != nil || public != read("cosign.pub") {
		t.Errorf("the public key is\n%s(%v), want that of cosign.pub", public, err)
	}
}
