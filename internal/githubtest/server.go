package githubtest

import (
	"net/http"
	"strings"
)

// handler divides requests among the API, git and the pages.
func (g *GitHub) handler() http.Handler {
	api := g.faults.wrap(g, g.apiHandler())
	graphql := g.faults.wrap(g, http.HandlerFunc(g.serveGraphQL))
	git := g.faults.wrap(g, http.HandlerFunc(g.serveGit))
	exchange := g.faults.wrap(g, http.HandlerFunc(g.serveAccessToken))
	pages := g.pageHandler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/graphql" && r.Method == http.MethodPost:
			graphql.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/api/"):
			if g.redirected(w, r) {
				return
			}
			api.ServeHTTP(w, g.byID(r))
		case r.URL.Path == accessTokenPath:
			exchange.ServeHTTP(w, r)
		case isGitPath(r.URL.Path):
			if g.gitRedirected(w, r) {
				return
			}
			git.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
		}
	})
}
