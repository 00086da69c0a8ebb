package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// letPeopleSignIn gives the bot the App's client before it is started.
func (s *site) letPeopleSignIn() {
	s.Helper()
	app := s.github.App()
	must(s.T, s.github.SetCallbackURLs("http://"+s.addr+"/-/callback"))
	s.env = append(s.env, "GITHUB_OAUTH_CLIENT_ID="+app.ClientID, "GITHUB_OAUTH_CLIENT_SECRET="+app.ClientSecret)
}

// person is a browser in which somebody has signed in.
func (s *site) person(login string) *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	must(s.T, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	asked, err := browser.Get("http://" + s.addr + "/-/login")
	must(s.T, err)
	must(s.T, asked.Body.Close())
	back, err := s.github.As(login).Authorize(asked.Header.Get("Location"))
	must(s.T, err)
	entered, err := browser.Get(back)
	must(s.T, err)
	must(s.T, entered.Body.Close())
	if entered.StatusCode != http.StatusSeeOther {
		s.Fatalf("%s was not signed in: %d", login, entered.StatusCode)
	}
	return browser
}

// Who has signed in stays so when the bot is killed, and no secret of the sign-in reaches its log.
func TestSessionsSurviveAKill(t *testing.T) {
	s := newSite(t, shop("true\n"))
	s.letPeopleSignIn()
	s.start()
	must(t, s.github.SetPrivate(repo, true))
	s.check(s.push("main", change("true"), "a private change"), "test", concluded)
	alice, mallory := s.person("alice"), &http.Client{}
	see := func(browser *http.Client) (int, string) {
		answer, err := browser.Get("http://" + s.addr + "/" + repo + "/runs/1")
		must(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		return answer.StatusCode, string(body)
	}
	for _, when := range []string{"before the kill", "after the kill"} {
		if status, body := see(alice); status != http.StatusOK || !strings.Contains(body, ">alice</span>") {
			t.Errorf("%s alice sees %d", when, status)
		}
		if status, body := see(mallory); status != http.StatusForbidden || strings.Contains(body, "a private change") {
			t.Errorf("%s a stranger sees %d", when, status)
		}
		s.kill()
		s.start()
	}
	for _, secret := range []string{s.github.App().ClientSecret, "ghu_", "slipway-session", "code="} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}
