package githubtest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// redirect goes to a path of these pages, never elsewhere, with one query parameter.
func redirect(w http.ResponseWriter, r *http.Request, path, key, value string) {
	target, err := url.Parse(path)
	if err != nil || target.Host != "" || target.Scheme != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.Contains(path, `\`) {
		target = &url.URL{Path: "/"}
	}
	if value != "" {
		query := target.Query()
		query.Set(key, value)
		target.RawQuery = query.Encode()
	}
	http.Redirect(w, r, target.String(), http.StatusSeeOther) //nolint:gosec // the target is a path of these pages, see above
}

const maxForm = 2 << 20

// act carries out a form of the pages as the chosen person.
func (s *site) act(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form cannot be read: "+err.Error(), http.StatusBadRequest)
		return
	}
	back := r.PostForm.Get("back")
	switch r.PostForm.Get("do") {
	case "sign-in":
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // the stand-in speaks plain HTTP, and on the loopback interface only
			Name: actingCookie, Value: r.PostForm.Get("as"), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		redirect(w, r, back, "", "")
		return
	case "register":
		s.registered(w, r)
		return
	}
	to, err := s.perform(r.Context(), r.PostForm)
	if err != nil {
		redirect(w, r, back, "problem", err.Error())
		return
	}
	if to != "" {
		back = to
	}
	redirect(w, r, back, "", "")
}

// perform does what a form says; to is where to go afterwards, when not back.
func (s *site) perform(ctx context.Context, form url.Values) (to string, err error) {
	who, repo := s.g.As(form.Get("as")), form.Get("repo")
	switch do := form.Get("do"); do {
	case "push":
		files := Files{form.Get("path"): strings.ReplaceAll(form.Get("content"), "\r\n", "\n")}
		_, err = who.Push(ctx, repo, form.Get("branch"), files, form.Get("message"))
		return "/" + repo + "?branch=" + url.QueryEscape(form.Get("branch")), err
	case "open":
		p, err := who.OpenPullRequest(ctx, repo, NewPullRequest{
			Title: form.Get("title"), Body: form.Get("body"), Base: form.Get("base"), Head: form.Get("head"),
		})
		return fmt.Sprintf("/%s/pull/%d", repo, p.Number), err
	case "redeliver":
		if !s.g.Redeliver(form.Get("guid")) {
			return "", fmt.Errorf("there is no delivery %s", form.Get("guid"))
		}
		return "", nil
	case "install":
		return "/", s.installApp(form.Get("app"), form.Get("account"))
	case "click", "rerun", "rerun-all", "rerun-failed":
		return "", performOnCheck(who, repo, do, form)
	default:
		return "", performOnPull(ctx, who, repo, do, form)
	}
}

func performOnCheck(who *Person, repo, do string, form url.Values) error {
	field := "run"
	if strings.HasPrefix(do, "rerun-") {
		field = "suite"
	}
	id, err := strconv.ParseInt(form.Get(field), 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not the number of a %s", form.Get(field), field)
	}
	switch do {
	case "click":
		return who.ClickAction(repo, id, form.Get("identifier"))
	case "rerun":
		return who.Rerequest(repo, id)
	case "rerun-all":
		return who.RerequestSuite(repo, id)
	default:
		return who.RerequestFailed(repo, id)
	}
}

func performOnPull(ctx context.Context, who *Person, repo, do string, form url.Values) error {
	number, err := strconv.Atoi(form.Get("number"))
	if err != nil {
		return fmt.Errorf("%q is not the number of a pull request", form.Get("number"))
	}
	switch do {
	case "comment":
		_, err = who.Comment(repo, number, strings.ReplaceAll(form.Get("body"), "\r\n", "\n"))
	case "merge", "squash":
		_, err = who.Merge(ctx, repo, number, do)
	case "enqueue":
		_, err = who.EnqueueMerge(ctx, repo, number)
	case "close":
		err = who.Close(repo, number)
	case "reopen":
		err = who.Reopen(repo, number)
	case "ready":
		err = who.ReadyForReview(repo, number)
	case "label":
		err = who.Label(repo, number, form.Get("label"))
	default:
		err = fmt.Errorf("nothing is called %q here", do)
	}
	return err
}

func (s *site) deliveries(w http.ResponseWriter, r *http.Request) {
	type row struct {
		Delivery
		State, Body string
	}
	data := struct {
		page
		Deliveries []row
	}{page: s.page(r, "Webhook deliveries")}
	list := s.g.Deliveries()
	for i := len(list) - 1; i >= 0 && len(data.Deliveries) < shownAnnotations; i-- {
		d := row{Delivery: list[i], State: "queued", Body: indentJSON(list[i].Payload)}
		if d.Done && d.Status == "OK" {
			d.State = "success"
		} else if d.Done {
			d.State = "failure"
		}
		data.Deliveries = append(data.Deliveries, d)
	}
	s.show(w, "deliveries", data)
}
