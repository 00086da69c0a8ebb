package githubtest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// manifestCode is what the manifest flow hands out and an App exchanges for its credentials, once.
type manifestCode struct {
	app     *app
	expires time.Time
}

const manifestCodeLife = time.Hour

// manifest is the registration an App posts from its own page.
type manifest struct {
	Name           string `json:"name"`
	URL            string `json:"url"`
	HookAttributes struct {
		URL string `json:"url"`
	} `json:"hook_attributes"`
	RedirectURL        string            `json:"redirect_url"`
	CallbackURLs       []string          `json:"callback_urls"`
	DefaultEvents      []string          `json:"default_events"`
	DefaultPermissions map[string]string `json:"default_permissions"`
}

func parseManifest(text string) (manifest, error) {
	var m manifest
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("the manifest is not JSON: %w", err)
	}
	if m.URL == "" || m.HookAttributes.URL == "" {
		return m, errors.New("the manifest needs url and hook_attributes.url")
	}
	target, err := url.Parse(m.RedirectURL)
	if err != nil || (target.Scheme != "http" && target.Scheme != "https") {
		return m, errors.New("the manifest needs a redirect_url with http or https")
	}
	if err := checkCallbacks(m.CallbackURLs); err != nil {
		return m, err
	}
	for name, level := range m.DefaultPermissions {
		if levels[level] == 0 {
			return m, fmt.Errorf("permission %s of the manifest is neither read nor write", name)
		}
	}
	return m, nil
}

type registerPage struct {
	page
	App             struct{ Name, Owner, WebhookURL string }
	Manifest, State string
}

// register shows what a manifest asks for; nothing is made before the person agrees.
func (s *site) register(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	m, err := parseManifest(r.PostForm.Get("manifest"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	data := registerPage{page: s.page(r, "Create GitHub App"), Manifest: r.PostForm.Get("manifest"), State: r.URL.Query().Get("state")}
	data.App.Name, data.App.WebhookURL, data.App.Owner = m.Name, m.HookAttributes.URL, r.PathValue("org")
	if data.App.Owner == "" {
		data.App.Owner = data.As
	}
	s.show(w, "register", data)
}

// registered makes the App and sends the person back with a code, as GitHub does.
func (s *site) registered(w http.ResponseWriter, r *http.Request) {
	m, err := parseManifest(r.PostForm.Get("manifest"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	code, err := s.g.registerManifest(r.PostForm.Get("owner"), m)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	target, err := url.Parse(m.RedirectURL)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	query := target.Query()
	query.Set("code", code)
	if state := r.PostForm.Get("state"); state != "" {
		query.Set("state", state)
	}
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusFound)
}

func (g *GitHub) registerManifest(owner string, m manifest) (code string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("make the App's key: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.account(owner) == nil {
		return "", fmt.Errorf("there is no account %s", owner)
	}
	a, err := g.registerApp(AppOptions{
		Name: m.Name, Owner: owner, Permissions: m.DefaultPermissions, Events: m.DefaultEvents, WebhookURL: m.HookAttributes.URL,
		CallbackURLs: m.CallbackURLs,
	}, key)
	if err != nil {
		return "", err
	}
	code = randomHex(20)
	g.manifestCodes[code] = manifestCode{app: a, expires: g.clock.Now().Add(manifestCodeLife)}
	g.sendPing(a)
	return code, nil
}

// app shows a GitHub App and lets a person install it.
func (s *site) app(w http.ResponseWriter, r *http.Request) {
	type appView struct {
		ID          int64
		Name, Slug  string
		Permissions map[string]string
	}
	data := struct {
		page
		App      appView
		Accounts []string
	}{page: s.page(r, "GitHub App")}
	s.g.mu.Lock()
	a := s.g.appBySlug(r.PathValue("slug"))
	if a != nil {
		data.App = appView{a.id, a.name, a.slug, cloneStrings(a.permissions)}
		for _, account := range s.g.accounts {
			if account.kind != "Bot" && s.g.installationOn(a, account) == nil {
				data.Accounts = append(data.Accounts, account.login)
			}
		}
	}
	s.g.mu.Unlock()
	if a == nil {
		http.NotFound(w, r)
		return
	}
	slices.SortFunc(data.Accounts, strings.Compare)
	s.show(w, "app", data)
}

func (s *site) installApp(id, account string) error {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not the number of an App", id)
	}
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	a := s.g.apps[number]
	if a == nil {
		return fmt.Errorf("there is no App %d", number)
	}
	_, err = s.g.install(a, account, nil)
	return err
}

// indentJSON makes a payload readable; what is no JSON stays as it is.
func indentJSON(data []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		return string(data)
	}
	return b.String()
}
