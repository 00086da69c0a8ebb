package githubtest

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// app is a GitHub App. Its webhook is that of the App, not of a repository.
type app struct {
	id            int64
	name          string
	slug          string
	owner         *account
	bot           *account
	key           *rsa.PrivateKey
	clientID      string
	clientSecret  string
	callbackURLs  []string
	webhookSecret string
	webhookURL    string
	hookID        int64
	permissions   map[string]string
	events        []string
	createdAt     time.Time
	deliveries    []*delivery // oldest first
	loggedBytes   int
}

// AppCredentials are what the registration of an App gives its owner.
type AppCredentials struct {
	ID            int64
	Slug          string
	ClientID      string
	ClientSecret  string
	CallbackURLs  []string
	WebhookSecret string
	// PrivateKey is PEM, PKCS#1, as GitHub gives it out.
	PrivateKey []byte
}

// addApp registers an App; before Start it is called without g.mu, which nobody else holds then.
func (g *GitHub) addApp(o AppOptions) (*app, error) {
	key, err := firstKey()
	if err != nil {
		return nil, fmt.Errorf("make the App's key: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.registerApp(o, key)
}

// firstKey is the key of the App that exists from the start, one for a whole process: making one takes longer than most
// tests.
var firstKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }) //nolint:gochecknoglobals // a constant that takes a moment to make

// registerApp registers an App with that key. g.mu is held.
func (g *GitHub) registerApp(o AppOptions, key *rsa.PrivateKey) (*app, error) {
	if o.Name == "" {
		o.Name = "Slipway"
	}
	owner, err := g.appOwner(o.Owner)
	if err != nil {
		return nil, err
	}
	a := &app{
		id: g.id(), name: o.Name, slug: slugOf(o.Name), owner: owner, key: key, hookID: g.id(),
		clientID: cmp.Or(o.ClientID, "Iv23"+randomHex(8)), clientSecret: cmp.Or(o.ClientSecret, randomHex(20)),
		callbackURLs: slices.Clone(o.CallbackURLs),
		webhookURL:   o.WebhookURL, webhookSecret: cmp.Or(o.WebhookSecret, randomHex(20)),
		permissions: o.Permissions, events: o.Events, createdAt: g.now(),
	}
	if a.slug == "" || g.appBySlug(a.slug) != nil {
		return nil, fmt.Errorf("name %q of a GitHub App is empty or already taken", o.Name)
	}
	if g.appByClient(a.clientID) != nil {
		return nil, fmt.Errorf("client ID %s of a GitHub App is already taken", a.clientID)
	}
	if err := checkCallbacks(a.callbackURLs); err != nil {
		return nil, err
	}
	if a.permissions == nil {
		a.permissions = DefaultPermissions()
	}
	a.permissions = maps.Clone(a.permissions)
	a.permissions["metadata"] = "read" // GitHub always adds it
	if a.events == nil {
		a.events = DefaultEvents()
	}
	if a.bot, err = g.addAccount(a.slug+"[bot]", a.name, "Bot"); err != nil {
		return nil, err
	}
	g.apps[a.id] = a
	g.touch()
	return a, nil
}

func (g *GitHub) appOwner(login string) (*account, error) {
	if login == "" {
		return g.addAccount("slipwayhq", "", "Organization")
	}
	if owner := g.account(login); owner != nil {
		return owner, nil
	}
	return g.addAccount(login, "", "Organization")
}

func (g *GitHub) appBySlug(slug string) *app {
	for _, a := range g.apps {
		if a.slug == slug {
			return a
		}
	}
	return nil
}

func (g *GitHub) appByClient(clientID string) *app {
	for _, a := range g.apps {
		if a.clientID == clientID {
			return a
		}
	}
	return nil
}

func (a *app) credentials() AppCredentials {
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(a.key)})
	return AppCredentials{
		ID: a.id, Slug: a.slug, ClientID: a.clientID, ClientSecret: a.clientSecret, CallbackURLs: slices.Clone(a.callbackURLs),
		WebhookSecret: a.webhookSecret, PrivateKey: key,
	}
}

// App returns the credentials of the App that exists from the start.
func (g *GitHub) App() AppCredentials {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.firstApp.credentials()
}

// SetWebhook changes where the first App's webhooks go; an empty secret keeps the one it has, an empty URL ends sending.
func (g *GitHub) SetWebhook(url, secret string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.firstApp.webhookURL = url
	if secret != "" {
		g.firstApp.webhookSecret = secret
	}
	g.touch()
}

// SetCallbackURLs changes where the first App may have people sent back to.
func (g *GitHub) SetCallbackURLs(urls ...string) error {
	if err := checkCallbacks(urls); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.firstApp.callbackURLs = slices.Clone(urls)
	g.touch()
	return nil
}

// Ping sends the first App's webhook a ping, as GitHub does when an App is registered.
func (g *GitHub) Ping() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sendPing(g.firstApp)
}

func (g *GitHub) sendPing(a *app) {
	g.deliver(a, nil, "ping", "", doc{
		"zen": "Half measures are as bad as nothing at all.", "hook_id": a.hookID,
		"hook": doc{
			"type": "App", "id": a.hookID, "name": "web", "active": true, "events": a.events, "app_id": a.id,
			"created_at": stamp(a.createdAt), "updated_at": stamp(a.createdAt),
			"config": doc{"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": a.webhookURL},
		},
	})
}

func (g *GitHub) appDoc(a *app) doc {
	return doc{
		"id": a.id, "slug": a.slug, "node_id": nodeID("A", a.id), "client_id": a.clientID, "name": a.name,
		"owner": g.userDoc(a.owner), "description": "", "external_url": g.base + "/apps/" + a.slug,
		"html_url": g.base + "/apps/" + a.slug, "created_at": stamp(a.createdAt), "updated_at": stamp(a.createdAt),
		"permissions": docOf(a.permissions), "events": slices.Clone(a.events),
	}
}
