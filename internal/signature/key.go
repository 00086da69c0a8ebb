package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"
)

// Key signs. It is made by `cosign generate-key-pair`.
type Key struct{ signer crypto.Signer }

// The kinds of PEM block that cosign has written over time.
var encryptedBlocks = map[string]bool{ //nolint:gochecknoglobals // a constant table; Go has no constant maps
	"ENCRYPTED SIGSTORE PRIVATE KEY": true, "ENCRYPTED COSIGN PRIVATE KEY": true,
}

// ParseKey reads a private key of cosign and decrypts it. No error holds anything of the key or the password.
func ParseKey(text, password string) (*Key, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || !encryptedBlocks[block.Type] {
		return nil, errors.New("the key is none that `cosign generate-key-pair` has made: it begins with -----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----")
	}
	der, err := encrypted.Decrypt(block.Bytes, []byte(password))
	if err != nil {
		return nil, errors.New("the password does not open the key")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the key is of a kind that is not known")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	return &Key{signer}, nil
}

// Public is the key that verifies what this one signs.
func (k *Key) Public() *PublicKey { return &PublicKey{k.signer.Public()} }

func (k *Key) sign(random io.Reader, payload []byte) ([]byte, error) {
	if _, whole := k.signer.Public().(ed25519.PublicKey); whole {
		return k.signer.Sign(random, payload, crypto.Hash(0))
	}
	sum := sha256.Sum256(payload)
	return k.signer.Sign(random, sum[:], crypto.SHA256)
}

// PublicKey verifies.
type PublicKey struct{ key crypto.PublicKey }

// ParsePublicKey reads the PEM text of cosign.pub.
func ParsePublicKey(text string) (*PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("the key is no public key: it begins with -----BEGIN PUBLIC KEY-----")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the public key cannot be read: %w", err)
	}
	switch key.(type) {
	case *ecdsa.PublicKey, *rsa.PublicKey, ed25519.PublicKey:
		return &PublicKey{key}, nil
	}
	return nil, fmt.Errorf("a public key of the kind %T is not known", key)
}

// PEM is the key as cosign.pub has it.
func (k *PublicKey) PEM() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key)
	if err != nil {
		return "", fmt.Errorf("write the public key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

func (k *PublicKey) verify(payload, signature []byte) bool {
	sum := sha256.Sum256(payload)
	switch key := k.key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, payload, signature)
	}
	return false
}
