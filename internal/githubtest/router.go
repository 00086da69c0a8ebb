package githubtest

import (
	"net/http"
	"net/url"
	"strings"
)

// router finds routes by path segments, literal before parameter. http.ServeMux refuses GitHub's paths as ambiguous:
// /issues/comments/{id} and /issues/{number}/comments both match /issues/comments/comments.
type router struct {
	root     node
	notFound http.Handler
}

type node struct {
	literal map[string]*node
	param   *node
	name    string // of param, or of the rest
	rest    map[string]http.Handler
	restAs  string
	methods map[string]http.Handler
}

// handle registers "GET /repos/{owner}/{path...}".
func (t *router) handle(pattern string, h http.Handler) {
	method, path, _ := strings.Cut(pattern, " ")
	at := &t.root
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		name, isParam := strings.CutPrefix(segment, "{")
		name = strings.TrimSuffix(name, "}")
		switch rest, isRest := strings.CutSuffix(name, "..."); {
		case isParam && isRest:
			if at.rest == nil {
				at.rest = map[string]http.Handler{}
			}
			at.rest[method], at.restAs = h, rest
			return
		case isParam:
			if at.param == nil {
				at.param = &node{}
			}
			at = at.param
			at.names(name)
		default:
			if at.literal == nil {
				at.literal = map[string]*node{}
			}
			if at.literal[segment] == nil {
				at.literal[segment] = &node{}
			}
			at = at.literal[segment]
		}
	}
	if at.methods == nil {
		at.methods = map[string]http.Handler{}
	}
	at.methods[method] = h
}

// names remembers what a parameter is called; routes that differ in it ("id", "number") all find their own name.
func (n *node) names(name string) {
	for known := range strings.SplitSeq(n.name, "|") {
		if known == name {
			return
		}
	}
	n.name = strings.TrimPrefix(n.name+"|"+name, "|")
}

func (t *router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	segments := strings.Split(strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), apiPrefix), "/"), "/")
	if h := t.root.find(r, segments); h != nil {
		h.ServeHTTP(w, r)
		return
	}
	t.notFound.ServeHTTP(w, r)
}

// find walks down the segments; a dead end behind a literal is tried again behind a parameter.
func (n *node) find(r *http.Request, segments []string) http.Handler {
	if len(segments) == 0 {
		return n.methods[r.Method]
	}
	if next := n.literal[segments[0]]; next != nil {
		if h := next.find(r, segments[1:]); h != nil {
			return h
		}
	}
	value, err := url.PathUnescape(segments[0])
	if n.param != nil && err == nil && value != "" {
		if h := n.param.find(r, segments[1:]); h != nil {
			for name := range strings.SplitSeq(n.param.name, "|") {
				r.SetPathValue(name, value)
			}
			return h
		}
	}
	if h := n.rest[r.Method]; h != nil {
		if rest, err := url.PathUnescape(strings.Join(segments, "/")); err == nil {
			r.SetPathValue(n.restAs, rest)
			return h
		}
	}
	return nil
}
