package buildkit_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/buildkit"
)

// authority signs certificates of daemons and of those who use them.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "builders"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue makes a folder with a certificate, its key, and the authority.
func (a *authority) issue(name string) string {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	for file, text := range map[string][]byte{
		"ca.pem": a.pem, "cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		"key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

func TestABuildKitElsewhereAsksForACertificate(t *testing.T) {
	world.Need(t)
	ours, theirs := newAuthority(t), newAuthority(t)
	address, err := world.SecureBuildkit(t.Context(), t.TempDir(), ours.issue("buildkitd"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := buildkit.Dial(t.Context(), buildkit.Settings{Address: address, Certificates: ours.issue("slipway")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	r, _ := request(t, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	if _, err := b.Build(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for name, certificates := range map[string]string{"nobody": "", "a stranger": theirs.issue("slipway"), "no folder": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			_, err := buildkit.Dial(t.Context(), buildkit.Settings{Address: address, Certificates: certificates})
			if _, ok := errors.AsType[*buildkit.UnavailableError](err); !ok {
				t.Errorf("got %v, want an UnavailableError", err)
			}
		})
	}
}
