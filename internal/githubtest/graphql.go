package githubtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// classifiers are the reasons a comment can be hidden for.
var classifiers = []string{"SPAM", "ABUSE", "OFF_TOPIC", "OUTDATED", "DUPLICATE", "RESOLVED"} //nolint:gochecknoglobals // a constant table; Go has no constant slices

type graphqlRequest struct {
	Query     string                     `json:"query"`
	Variables map[string]json.RawMessage `json:"variables"`
}

// serveGraphQL answers the one thing only GraphQL can do for an App: hide a comment, with its input as a variable. Every
// other operation is an error, as one outside the schema is.
func (g *GitHub) serveGraphQL(w http.ResponseWriter, r *http.Request) {
	if !g.delay(r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAPIBody))
	var req graphqlRequest
	if err != nil || json.Unmarshal(body, &req) != nil {
		g.answer(w, r, identity{}, reply{}, badRequest("Problems parsing JSON"))
		return
	}
	who, err := g.identify(r)
	if err == nil && who.token == nil {
		err = unauthorized("This endpoint requires you to be authenticated.")
	}
	if err == nil {
		err = g.limiter.admit(&call{g: g, r: r, who: who})
	}
	if err != nil {
		g.answer(w, r, who, reply{}, err)
		return
	}
	g.answer(w, r, who, reply{status: http.StatusOK, body: g.mutate(who, req)}, nil)
}

func graphqlError(kind, message string) doc {
	return doc{"data": nil, "errors": []doc{{"type": kind, "message": message}}}
}

func (g *GitHub) mutate(who identity, req graphqlRequest) doc {
	if !strings.HasPrefix(strings.TrimSpace(req.Query), "mutation") || !strings.Contains(req.Query, "minimizeComment(") {
		return graphqlError("UNSUPPORTED", "the stand-in's GraphQL knows the mutation minimizeComment alone")
	}
	var input struct {
		SubjectID  string `json:"subjectId"`
		Classifier string `json:"classifier"`
	}
	if err := json.Unmarshal(req.Variables["input"], &input); err != nil {
		return graphqlError("ARGUMENT", "variable $input of type MinimizeCommentInput! was provided invalid value")
	}
	if !slices.Contains(classifiers, input.Classifier) {
		return graphqlError("ARGUMENT", fmt.Sprintf("%q is not a ReportedContentClassifiers", input.Classifier))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	comment := g.commentByNode(input.SubjectID)
	if comment == nil || !who.token.reaches(g, comment.pull.repo) {
		return graphqlError("NOT_FOUND", fmt.Sprintf("Could not resolve to a node with the global id of '%s'.", input.SubjectID))
	}
	if !g.mayMinimize(who, comment) {
		return graphqlError("FORBIDDEN", "Resource not accessible by integration")
	}
	comment.minimized = input.Classifier
	g.touch()
	return doc{"data": doc{"minimizeComment": doc{"minimizedComment": doc{
		"isMinimized": true, "minimizedReason": strings.ToLower(input.Classifier),
	}}}}
}

func (g *GitHub) mayMinimize(who identity, c *issueComment) bool {
	t := who.token
	if t.user != nil {
		return t.user == c.author || g.mayPush(c.pull.repo, t.user.login)
	}
	return t.has(c.pull.repo) && permitted(t.permissions, commenting) == nil
}

func (g *GitHub) commentByNode(id string) *issueComment {
	for _, repo := range g.repos {
		for _, c := range repo.comments {
			if nodeID("IC", c.id) == id {
				return c
			}
		}
	}
	return nil
}
