package signature

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// What cosign calls things.
const (
	mediaType  = types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
	annotation = "dev.cosignproject.cosign/signature"
	statement  = "cosign container image signature"
)

// maxPayload bounds a statement; cosign's are of some hundred bytes.
const maxPayload = 1 << 20

// payload is a statement in the form of containers' simple signing.
type payload struct {
	Critical critical        `json:"critical"`
	Optional json.RawMessage `json:"optional"`
}

type critical struct {
	Identity struct {
		Reference string `json:"docker-reference"`
	} `json:"identity"`
	Image struct {
		Digest string `json:"docker-manifest-digest"`
	} `json:"image"`
	Type string `json:"type"`
}

// Repository is where an image and its signatures are.
type Repository interface {
	// String is its name: "docker.io/acme/app".
	String() string
	Image(ctx context.Context, reference string) (v1.Image, bool, error)
	Write(ctx context.Context, image v1.Image, tag string) error
}

// Tag is where the signatures of an image are: "sha256-….sig".
func Tag(digest string) string { return strings.ReplaceAll(digest, ":", "-") + ".sig" }

// Sign adds a signature to an image that is in the repository, unless the key has signed it already.
func Sign(ctx context.Context, in Repository, digest string, key *Key) error {
	signed, found, err := in.Image(ctx, Tag(digest))
	if err != nil {
		return err
	}
	if !found {
		signed = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	} else if holds(signed, digest, key.Public()) == nil {
		return nil
	}
	var p payload
	p.Critical.Identity.Reference, p.Critical.Image.Digest, p.Critical.Type = in.String(), digest, statement
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("sign %s: %w", digest, err)
	}
	signature, err := key.sign(rand.Reader, text)
	if err != nil {
		return fmt.Errorf("sign %s: %w", digest, err)
	}
	signed, err = mutate.Append(signed, mutate.Addendum{
		Layer:       static.NewLayer(text, mediaType),
		Annotations: map[string]string{annotation: base64.StdEncoding.EncodeToString(signature)},
	})
	if err != nil {
		return fmt.Errorf("sign %s: %w", digest, err)
	}
	return in.Write(ctx, signed, Tag(digest))
}

// UnsignedError says that no signature of an image holds.
type UnsignedError struct {
	Image string
	// Why is what is wrong with the nearest to a signature that was found.
	Why error
}

func (e *UnsignedError) Error() string {
	return fmt.Sprintf("the image %s is not signed with the key that is asked for: %v", e.Image, e.Why)
}

func (e *UnsignedError) Unwrap() error { return e.Why }

// Verify holds the signatures of an image, by its digest, against a key. An *UnsignedError says that none holds; any other
// error, that they could not be read.
func Verify(ctx context.Context, in Repository, digest string, key *PublicKey) error {
	signed, found, err := in.Image(ctx, Tag(digest))
	if err != nil {
		return err
	}
	image := in.String() + "@" + digest
	if !found {
		return &UnsignedError{image, errNone}
	}
	if err := holds(signed, digest, key); err != nil {
		return &UnsignedError{image, err}
	}
	return nil
}

var (
	errNone  = errors.New("there is no signature")
	errKey   = errors.New("its signatures are of other keys")
	errOther = errors.New("its signature is that of another image")
)

// holds is nil when one of the signatures is the key's and speaks of the digest. The name in the statement is not
// compared: images are copied between registries, and cosign does not either.
func holds(signed v1.Image, digest string, key *PublicKey) error {
	manifest, err := signed.Manifest()
	if err != nil {
		return err
	}
	why := errNone
	for _, d := range manifest.Layers {
		text, signature, err := read(signed, d)
		if err != nil {
			why = err
			continue
		}
		if !key.verify(text, signature) {
			why = errKey
			continue
		}
		var p payload
		if err := json.Unmarshal(text, &p); err != nil || p.Critical.Type != statement || p.Critical.Image.Digest != digest {
			why = errOther
			continue
		}
		return nil
	}
	return why
}

func read(signed v1.Image, d v1.Descriptor) (text, signature []byte, err error) {
	if d.MediaType != mediaType || d.Size > maxPayload {
		return nil, nil, errNone
	}
	signature, err = base64.StdEncoding.DecodeString(d.Annotations[annotation])
	if err != nil {
		return nil, nil, errNone
	}
	layer, err := signed.LayerByDigest(d.Digest)
	if err != nil {
		return nil, nil, err
	}
	r, err := layer.Compressed()
	if err != nil {
		return nil, nil, err
	}
	text, err = io.ReadAll(io.LimitReader(r, maxPayload))
	return text, signature, errors.Join(err, r.Close())
}
