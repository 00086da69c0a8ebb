package githubtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	apiPrefix      = "/api/v3"
	maxAPIBody     = 8 << 20
	jsonMediaType  = "application/json; charset=utf-8"
	apiVersion     = "2022-11-28"
	acceptedHeader = "X-Accepted-GitHub-Permissions"
)

// rule says who may call a route at all.
type rule int

const (
	anyone      rule = iota // no credentials needed
	byApp                   // an App's JWT
	byInstalled             // an installation token
	byToken                 // an installation's or a person's token
	byClient                // an App's client ID and client secret
)

// route is one operation of the REST API.
type route struct {
	pattern string // method and path as http.ServeMux has them, below apiPrefix
	rule    rule
	// needs are the permissions an installation must have: "checks=write"; "; " stands between alternatives.
	needs  string
	handle func(*call) (reply, error)
}

// call is one request to a route.
type call struct {
	g    *GitHub
	r    *http.Request
	who  identity
	repo *repository
	body []byte
}

// reply is the answer of a route. body is written as JSON, raw as it is.
type reply struct {
	status int
	body   any
	raw    []byte
	header http.Header
}

func ok(body any) (reply, error)      { return reply{status: http.StatusOK, body: body}, nil }
func created(body any) (reply, error) { return reply{status: http.StatusCreated, body: body}, nil }
func noContent() (reply, error)       { return reply{status: http.StatusNoContent}, nil }

func (c *call) lock() (unlock func()) {
	c.g.mu.Lock()
	return c.g.mu.Unlock
}

// number reads a number of the path; what is none does not exist.
func (c *call) number(name string) (int64, error) {
	n, err := strconv.ParseInt(c.r.PathValue(name), 10, 64)
	if err != nil {
		return 0, errNotFound
	}
	return n, nil
}

// decode reads the JSON body; an empty one leaves the target as it is.
func (c *call) decode(into any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	if err := json.Unmarshal(c.body, into); err != nil {
		if wrongType, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return invalidRequest("For '" + "properties/" + wrongType.Field + "', " + wrongType.Value + " is not a " + wrongType.Type.String() + ".")
		}
		return badRequest("Problems parsing JSON")
	}
	return nil
}

// allRoutes are the operations of the REST API.
func allRoutes() [][]route {
	return [][]route{
		appRoutes, installationRoutes, deliveryRoutes, repositoryRoutes, gitRoutes, contentRoutes, commitRoutes,
		checkRunRoutes, checkSuiteRoutes, pullRoutes, commentRoutes, reactionRoutes, memberRoutes, userRoutes,
		deploymentRoutes, statusRoutes, limitRoutes,
	}
}

// apiHandler routes the REST API.
func (g *GitHub) apiHandler() http.Handler {
	routes := &router{notFound: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.answer(w, r, identity{}, reply{}, errNotFound)
	})}
	for _, list := range allRoutes() {
		for _, rt := range list {
			routes.handle(rt.pattern, g.serveRoute(rt))
		}
	}
	return routes
}

// serveRoute wraps a route with everything GitHub does around it.
func (g *GitHub) serveRoute(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.delay(r) {
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
		if err != nil {
			g.answer(w, r, identity{}, reply{}, badRequest("Request body too large or cut off"))
			return
		}
		who, err := g.identify(r)
		if err != nil {
			g.answer(w, r, who, reply{}, err)
			return
		}
		if g.checker != nil {
			g.checker.request(r, rt.pattern, body)
		}
		c := &call{g: g, r: r, who: who, body: body}
		rep, err := c.serve(rt)
		if err != nil {
			rep = g.errorReply(r, err)
		}
		if g.checker != nil {
			g.checker.response(r, rt.pattern, rep)
		}
		if rt.needs != "" {
			w.Header().Set(acceptedHeader, rt.needs)
		}
		g.answer(w, r, who, rep, nil)
	})
}

func (c *call) serve(rt route) (reply, error) {
	if err := c.g.limiter.admit(c); err != nil {
		return reply{}, err
	}
	if err := c.permit(rt); err != nil {
		return reply{}, err
	}
	return rt.handle(c)
}

// permit decides whether the caller may use the route, and finds the repository it is about.
func (c *call) permit(rt route) error {
	switch {
	case rt.rule == byApp && c.who.app == nil:
		return unauthorized("A JSON web token could not be decoded")
	case rt.rule != byApp && c.who.app != nil && rt.rule != anyone:
		return unauthorized("Bad credentials")
	case rt.rule == byClient && c.who.client == nil:
		return errBadCredentials
	case rt.rule == byInstalled && (c.who.token == nil || c.who.token.inst == nil):
		return forbidden("You must authenticate with an installation access token in order to list repositories for an installation.")
	case rt.rule == byToken && c.who.token == nil && c.r.Method != http.MethodGet:
		return unauthorized("Requires authentication")
	}
	if c.r.PathValue("owner") != "" {
		return c.permitRepository(rt)
	}
	return nil
}

func (c *call) permitRepository(rt route) error {
	defer c.lock()()
	repo := c.g.repo(c.r.PathValue("owner") + "/" + c.r.PathValue("repo"))
	if repo == nil {
		return errNotFound
	}
	c.repo = repo
	if rt.rule == byApp {
		return nil
	}
	t := c.who.token
	if t == nil {
		if repo.private {
			return errNotFound
		}
		return nil
	}
	if !t.reaches(c.g, repo) {
		return errNotFound
	}
	if t.user != nil {
		return c.permitUser(rt)
	}
	reads := c.r.Method == http.MethodGet
	if !t.has(repo) {
		if reads { // public
			return nil
		}
		return notAccessible()
	}
	return permitted(t.permissions, rt.needs)
}

// permitUser decides for a person; an App that acts for one may do what both may.
func (c *call) permitUser(rt route) error {
	if a := c.who.token.app; a != nil {
		if err := c.permitActingApp(a, rt); err != nil {
			return err
		}
	}
	if c.r.Method == http.MethodGet || strings.Contains(rt.needs, "issues=") || c.g.mayPush(c.repo, c.who.token.user.login) {
		return nil
	}
	return forbidden("Must have push access to repository")
}

func (c *call) permitActingApp(a *app, rt route) error {
	switch {
	case c.g.installed(a, c.repo):
		return permitted(c.g.installationOn(a, c.repo.owner).permissions, rt.needs)
	case c.r.Method == http.MethodGet: // public: the others are out of reach
		return nil
	default:
		return notAccessible()
	}
}

func notAccessible() *apiError { return forbidden("Resource not accessible by integration") }

func permitted(have map[string]string, needs string) error {
	if needs == "" {
		return nil
	}
	for alternative := range strings.SplitSeq(needs, "; ") {
		if grants(have, alternative) {
			return nil
		}
	}
	return notAccessible()
}
