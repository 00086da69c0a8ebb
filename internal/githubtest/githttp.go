package githubtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi" //nolint:gosec // the flaw ended with Go 1.6.3, and go.mod asks for a newer one
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitServices are the paths of git's smart protocol below a repository.
var gitServices = []string{"/info/refs", "/git-upload-pack", "/git-receive-pack"} //nolint:gochecknoglobals // a constant table; Go has no constant slices

func isGitPath(path string) bool {
	_, _, ok := splitGitPath(path)
	return ok
}

func splitGitPath(path string) (fullName, service string, ok bool) {
	for _, s := range gitServices {
		if name, found := strings.CutSuffix(path, s); found {
			name = strings.TrimSuffix(strings.TrimPrefix(name, "/"), ".git")
			return name, s, strings.Count(name, "/") == 1
		}
	}
	return "", "", false
}

// serveGit answers git clients through git's own HTTP backend.
func (g *GitHub) serveGit(w http.ResponseWriter, r *http.Request) {
	name, service, _ := splitGitPath(r.URL.Path)
	writes := service == "/git-receive-pack" || r.URL.Query().Get("service") == "git-receive-pack"
	who, err := g.identify(r)
	if err != nil {
		refuseGit(w, http.StatusUnauthorized, "Invalid username or token.")
		return
	}
	repo, status, message := g.admitGit(name, who, writes)
	if status != http.StatusOK {
		refuseGit(w, status, message)
		return
	}
	if service != "/git-receive-pack" {
		g.runBackend(w, r, repo, service, who)
		return
	}
	repo.moving.Lock()
	defer repo.moving.Unlock()
	g.runBackend(w, r, repo, service, who)
	// What arrived counts even when the client went away meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute)
	defer cancel()
	if err := g.settle(ctx, repo, who.actor()); err != nil {
		g.log.Error().Err(err).Str("repository", name).Msg("what was pushed cannot be read")
	}
}

func (g *GitHub) admitGit(name string, who identity, writes bool) (repo *repository, status int, message string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	repo = g.repo(name)
	t := who.token
	switch {
	case t == nil && (repo == nil || repo.private || writes):
		return nil, http.StatusUnauthorized, "No anonymous write access, or no such repository."
	case repo == nil || (t != nil && !t.reaches(g, repo)):
		return nil, http.StatusNotFound, "Repository not found."
	case t == nil:
		return repo, http.StatusOK, ""
	case t.user != nil && writes && !g.mayPush(repo, t.user.login):
		return nil, http.StatusForbidden, fmt.Sprintf("Permission to %s.git denied to %s.", repo.fullName(), t.user.login)
	case t.app != nil && writes && !g.mayActOn(t.app, repo, "contents=write"):
		return nil, http.StatusForbidden, fmt.Sprintf("Permission to %s.git denied to %s.", repo.fullName(), t.app.bot.login)
	case t.inst != nil && writes && (!t.has(repo) || !grants(t.permissions, "contents=write")):
		return nil, http.StatusForbidden, fmt.Sprintf("Permission to %s.git denied to %s.", repo.fullName(), t.inst.app.bot.login)
	case t.inst != nil && repo.private && !grants(t.permissions, "contents=read"):
		return nil, http.StatusForbidden, "Write access to repository not granted."
	case t.inst != nil && t.has(repo) && !grants(t.permissions, "contents=read"):
		return nil, http.StatusForbidden, "Write access to repository not granted."
	}
	return repo, http.StatusOK, ""
}

func refuseGit(w http.ResponseWriter, status int, message string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="GitHub"`)
	}
	http.Error(w, message, status)
}

func (g *GitHub) runBackend(w http.ResponseWriter, r *http.Request, repo *repository, service string, who identity) {
	if r.ContentLength < 0 { // a large push comes in chunks, which CGI knows nothing of
		spooled, err := spool(r.Body)
		if err != nil {
			http.Error(w, "the request could not be read", http.StatusBadRequest)
			return
		}
		defer func() {
			if err := spooled.drop(); err != nil {
				g.log.Warn().Err(err).Msg("the copy of a push stays behind")
			}
		}()
		r = r.Clone(r.Context())
		r.Body, r.ContentLength, r.TransferEncoding = spooled, spooled.size, nil
	}
	r.URL.Path = "/" + filepath.Base(repo.git.dir) + service
	r.URL.RawPath = ""
	r.Header.Del("Authorization")
	env := gitEnv("GIT_PROJECT_ROOT="+filepath.Dir(repo.git.dir), "GIT_HTTP_EXPORT_ALL=1", "GIT_PROTOCOL="+r.Header.Get("Git-Protocol"))
	if actor := who.actor(); actor != nil {
		env = append(env, "REMOTE_USER="+actor.login)
	}
	git, err := exec.LookPath("git")
	if err != nil {
		http.Error(w, "git is gone", http.StatusInternalServerError)
		return
	}
	backend := cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: repo.git.dir, Env: env, Stderr: logWriter{g},
		Logger: log.New(logWriter{g}, "", 0), // it would write to the terminal of whoever runs the stand-in
	}
	backend.ServeHTTP(w, r)
}

// spooledBody is a request body of known length, in a file.
type spooledBody struct {
	*os.File
	size int64
}

func spool(body io.Reader) (*spooledBody, error) {
	file, err := os.CreateTemp("", "push-")
	if err != nil {
		return nil, fmt.Errorf("keep a push: %w", err)
	}
	s := &spooledBody{File: file}
	s.size, err = io.Copy(file, body)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("keep a push: %w", errors.Join(err, s.drop()))
	}
	return s, nil
}

// drop removes the copy. The backend may have closed the file already.
func (s *spooledBody) drop() error {
	err := s.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	return errors.Join(err, os.Remove(s.Name()))
}

// logWriter puts what git says on standard error into the log.
type logWriter struct{ g *GitHub }

func (l logWriter) Write(b []byte) (int, error) {
	l.g.log.Debug().Str("git", strings.TrimSpace(string(b))).Msg("git http-backend")
	return len(b), nil
}
