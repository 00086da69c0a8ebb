package kubernetes

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/test/cluster"
)

// ourAddress is where the cluster's node reaches this machine.
func ourAddress(t *testing.T, s *site) net.IP {
	t.Helper()
	if os.Getenv("KUBECONFIG") != "" {
		t.Skip("the cluster of KUBECONFIG may not reach this machine")
	}
	node := s.kubectl("get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
	way, err := net.Dial("udp", net.JoinHostPort(node, "9")) // nothing is sent: it asks for the way only
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	address, is := way.LocalAddr().(*net.UDPAddr)
	if !is {
		t.Fatalf("%v", way.LocalAddr())
	}
	return address.IP
}

// certify makes a certificate for an address, which is its own authority.
func certify(t *testing.T, ip net.IP) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{ip}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, &made, &made, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// denying is a webhook that admits nothing of a kind in the site's namespace.
func denying(t *testing.T, s *site, resource string) {
	t.Helper()
	ip := ourAddress(t, s)
	certificate, authority := certify(t, ip)
	listener, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID string `json:"uid"`
			} `json:"request"`
		}
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": %q, "allowed": false, "status": {"message": "the guild of %s says no"}}}`,
			review.Request.UID, resource)
	}))
	if err := server.Listener.Close(); err != nil { // of an address the cluster does not reach
		t.Fatal(err)
	}
	server.Listener, server.TLS = listener, &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	name := "deny-" + s.namespace
	cluster.Kubectl(t, fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: %s}
webhooks:
  - name: guild.example.com
    admissionReviewVersions: [v1]
    sideEffects: None
    failurePolicy: Fail
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
    rules: [{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE, UPDATE], resources: [%s]}]
    clientConfig: {url: "https://%s/", caBundle: %s}
`, name, s.namespace, resource, listener.Addr(), base64.StdEncoding.EncodeToString(authority)), "apply", "-f", "-")
	t.Cleanup(func() { s.kubectl("delete", "validatingwebhookconfiguration", name) })
}

// A webhook that denies an object is heard before anything is applied; one that denies the pods, when they are made.
func TestWebhookThatDenies(t *testing.T) {
	t.Run("an object", func(t *testing.T) {
		s := newSite(t)
		s.secrets = map[string]string{"PASSWORD": "correct horse"}
		denying(t, s, "deployments")
		session, verdict := s.prepare(standard())
		s.failed(verdict, session, "The cluster refuses 1 object", "the guild of deployments says no")
		if got := s.kubectl("get", "configmaps,secrets", "-o", "name"); strings.Contains(got, "settings") || strings.Contains(got, "credentials") {
			t.Errorf("there is %s", got)
		}
	})
	t.Run("pods", func(t *testing.T) {
		s := newSite(t)
		s.secrets = map[string]string{"PASSWORD": "correct horse"}
		denying(t, s, "pods")
		_, done, verdict := s.deploy(standard())
		s.failed(verdict, done, "Deployment web is not ready: AdmissionDenied", "the guild of pods says no")
	})
}
