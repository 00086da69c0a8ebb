package dashboard

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestFormsAreGuarded: only what a page of ours shows to a session, sent from that page in that session, gets through.
func TestFormsAreGuarded(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b, other := g.entered(alice), g.entered(bob)
	own, foreign := b.get("/").proof(), other.get("/").proof()
	if own == "" || own == foreign {
		t.Fatalf("proofs %q and %q", own, foreign)
	}
	for name, tc := range map[string]struct {
		guest  guest
		form   url.Values
		header []string
		says   string
	}{
		"no proof":                  {b, nil, nil, "This form cannot be taken"},
		"an empty proof":            {b, url.Values{"proof": {""}}, nil, "This form cannot be taken"},
		"another session's proof":   {b, url.Values{"proof": {foreign}}, nil, "This form cannot be taken"},
		"a proof cut short":         {b, url.Values{"proof": {own[:len(own)-1]}}, nil, "This form cannot be taken"},
		"another site":              {b, url.Values{"proof": {own}}, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, "This form cannot be taken"},
		"another host of ours":      {b, url.Values{"proof": {own}}, []string{"Sec-Fetch-Site", "same-site", "Origin", "https://evil.example.com"}, "This form cannot be taken"},
		"another site, old browser": {b, url.Values{"proof": {own}}, []string{"Sec-Fetch-Site", "", "Origin", "https://evil.example"}, "This form cannot be taken"},
		"a page without an origin":  {b, url.Values{"proof": {own}}, []string{"Sec-Fetch-Site", "", "Origin", "null"}, "This form cannot be taken"},
		"too large":                 {b, url.Values{"proof": {own}, "x": {strings.Repeat("x", maxPost)}}, nil, "This form cannot be taken"},
		"not a form":                {b, url.Values{"proof": {own}}, []string{"Content-Type", "application/json"}, "This form cannot be taken"},
		"a stranger":                {g.guest(), url.Values{"proof": {own}}, nil, "You are not signed in"},
	} {
		answer := tc.guest.post("/-/logout", tc.form, tc.header...)
		if answer.StatusCode != http.StatusForbidden || !strings.Contains(answer.body, tc.says) {
			t.Errorf("%s: %d\n%s", name, answer.StatusCode, answer.body)
		}
	}
	if in := b.post("/-/logout?proof="+own, nil); in.StatusCode != http.StatusForbidden {
		t.Errorf("the proof in the address: %d", in.StatusCode)
	}
	if answer := b.get("/-/logout"); answer.StatusCode == http.StatusSeeOther || b.get("/").who() != "alice" {
		t.Errorf("signed out by an address: %d", answer.StatusCode)
	}
	for name, header := range map[string][]string{
		"an old browser":                    {"Sec-Fetch-Site", ""},
		"a proxy that changed the host":     {"Sec-Fetch-Site", "", "Host", "127.0.0.1:8080"},
		"a browser that tells nothing else": {"Sec-Fetch-Site", "", "Origin", ""},
	} {
		b := g.entered(alice)
		if answer := b.post("/-/logout", url.Values{"proof": {b.get("/").proof()}}, header...); answer.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d\n%s", name, answer.StatusCode, answer.body)
		}
	}
	after := b.post("/-/logout", url.Values{"proof": {own}})
	if after.StatusCode != http.StatusSeeOther {
		t.Errorf("our own form: %d\n%s", after.StatusCode, after.body)
	}
}

// TestTheHandlerLearnsWhoActs: guardPost and form are all that a page needs to let people act.
func TestTheHandlerLearnsWhoActs(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	b := g.entered(bob)
	var acted []Person
	s := g.server
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ask", func(w http.ResponseWriter, r *http.Request) {
		f := s.form(r, "/act")
		if f.Action != "/act" {
			t.Errorf("the form goes to %s", f.Action)
		}
		body, err := s.pages.render("message", "proof", f)
		if err != nil {
			t.Error(err)
		}
		w.Write(body)
	})
	mux.HandleFunc("POST /act", s.guardPost(func(w http.ResponseWriter, _ *http.Request, who Person) {
		acted = append(acted, who)
		w.WriteHeader(http.StatusNoContent)
	}))
	g.mu.Lock()
	g.handler = s.recognised(mux)
	g.mu.Unlock()
	if answer := b.post("/act", url.Values{"proof": {b.get("/ask").proof()}}); answer.StatusCode != http.StatusNoContent || len(acted) != 1 || acted[0] != bob {
		t.Errorf("%d, acted: %v", answer.StatusCode, acted)
	}
	if proof := g.guest().get("/ask").proof(); proof != "" {
		t.Errorf("a stranger has a proof: %q", proof)
	}
}

func TestNobodyActsWithoutSignIn(t *testing.T) {
	t.Parallel()
	s := serverOf(t, newMemory(), func(d *Deps) { d.Access = LoopbackOnly{} })
	answer := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/act", strings.NewReader("proof="))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.guardPost(func(http.ResponseWriter, *http.Request, Person) { t.Error("somebody acted") })(answer, r)
	if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "Nobody can act here") {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if f := s.form(r, "/act"); f.Proof != "" {
		t.Errorf("proof %q", f.Proof)
	}
	for _, path := range []string{"/-/login", "/-/callback"} {
		if answer := get(t, s.handler(), path); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.Code)
		}
	}
}
