package githubtest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// serveAccessToken exchanges a code, or a refresh token, for a person's token. A refusal is a success of HTTP with an
// error in its body, as GitHub answers; only a client ID that does not exist is 404.
func (g *GitHub) serveAccessToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "Not Found", http.StatusNotFound)
		return
	}
	sent, err := exchangeOf(w, r)
	if err != nil {
		http.Error(w, "the request cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer, status := g.exchange(sent)
	g.logRequest(r, identity{}, status)
	writeExchange(g, w, r, answer, status)
}

// exchangeOf reads what an App sends: in the query, as a form or as JSON.
func exchangeOf(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		err := r.ParseForm()
		return r.Form, err
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var fields map[string]string
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	sent := r.URL.Query()
	for name, value := range fields {
		sent.Set(name, value)
	}
	return sent, nil
}

func (g *GitHub) exchange(sent url.Values) (answer url.Values, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.appByClient(sent.Get("client_id"))
	switch {
	case a == nil:
		return url.Values{"error": {"Not Found"}}, http.StatusNotFound
	case sent.Get("client_secret") != a.clientSecret:
		return exchangeFailure("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect."), http.StatusOK
	case sent.Get("grant_type") == "refresh_token":
		return g.renew(a, sent.Get("refresh_token")), http.StatusOK
	}
	callback := sent.Get("redirect_uri")
	if callback != "" && !slices.Contains(a.callbackURLs, callback) {
		return exchangeFailure("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application."), http.StatusOK
	}
	c := g.redeem(a, sent.Get("code"), sent.Get("code_verifier"))
	if c == nil || callback != "" && callback != c.callback {
		return exchangeFailure("bad_verification_code", "The code passed is incorrect or expired."), http.StatusOK
	}
	return g.tokenAnswer(a, c.user), http.StatusOK
}

// renew gives a new pair for a refresh token, which is worth nothing afterwards. g.mu is held.
func (g *GitHub) renew(a *app, value string) url.Values {
	r, known := g.refreshTokens[value]
	if !known || r.app != a || g.clock.Now().After(r.expires) {
		return exchangeFailure("bad_refresh_token", "The refresh token passed is incorrect or expired.")
	}
	delete(g.refreshTokens, value)
	return g.tokenAnswer(a, r.user)
}

func (g *GitHub) tokenAnswer(a *app, user *account) url.Values {
	t, refresh := g.newUserToken(a, user)
	return url.Values{
		"access_token": {t.value}, "expires_in": {strconv.Itoa(int(userTokenLife.Seconds()))}, "refresh_token": {refresh},
		"refresh_token_expires_in": {strconv.Itoa(int(refreshTokenLife.Seconds()))}, "token_type": {"bearer"}, "scope": {""},
	}
}

func exchangeFailure(name, description string) url.Values {
	return url.Values{
		"error": {name}, "error_description": {description},
		"error_uri": {"https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#" + name},
	}
}

// writeExchange writes a form, GitHub's choice, or JSON where the App asks for it.
func writeExchange(g *GitHub, w http.ResponseWriter, r *http.Request, answer url.Values, status int) {
	body, kind := []byte(answer.Encode()), "application/x-www-form-urlencoded; charset=utf-8"
	if accepted, _, err := mime.ParseMediaType(r.Header.Get("Accept")); err == nil && accepted == "application/json" {
		fields := doc{}
		for name := range answer {
			fields[name] = answer.Get(name)
			if n, err := strconv.Atoi(answer.Get(name)); err == nil {
				fields[name] = n
			}
		}
		if body, err = json.Marshal(fields); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		kind = jsonMediaType
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil { //nolint:gosec // a form or JSON, and never shown
		g.log.Debug().Err(err).Msg("the caller went away")
	}
}
