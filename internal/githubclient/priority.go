package githubclient

import (
	"context"
	"net/http"
	"strings"
)

// Priority orders requests of one installation that wait for points.
type Priority int

// From what may never wait behind others to what may.
const (
	// PriorityConclusion is the final word of a check.
	PriorityConclusion Priority = iota
	// PriorityCreate makes a check visible.
	PriorityCreate
	// PriorityAnswer is everything else: facts, comments, deployments. It is the default.
	PriorityAnswer
	// PriorityProgress is what nobody misses.
	PriorityProgress
)

func (p Priority) String() string {
	switch p {
	case PriorityConclusion:
		return "conclusion"
	case PriorityCreate:
		return "create"
	case PriorityProgress:
		return "progress"
	default:
		return "answer"
	}
}

// Class is what GitHub's secondary limits count a request as.
type Class int

// GitHub's classes: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
const (
	ClassRead Class = iota
	ClassWrite
	// ClassContent is a write that people are told about: comments, reactions, reviews, deployments.
	ClassContent
)

// Points of one request against the limit of 900 a minute.
const (
	readPoints  = 1
	writePoints = 5
)

func (c Class) points() int {
	if c == ClassRead {
		return readPoints
	}
	return writePoints
}

func (c Class) String() string {
	switch c {
	case ClassRead:
		return "read"
	case ClassWrite:
		return "write"
	default:
		return "content"
	}
}

type contextKey int

const (
	priorityKey contextKey = iota
	permitKey
	cachingKey
)

// WithPriority gives the requests made with ctx their place in the queue for points.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey, p)
}

func priorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityKey).(Priority); ok {
		return p
	}
	return PriorityAnswer
}

// contentPaths are the endpoints whose writes GitHub limits as content creation.
var contentPaths = []string{"/issues", "/comments", "/reactions", "/reviews", "/pulls", "/deployments", "/statuses"} //nolint:gochecknoglobals // a constant table

func classify(req *http.Request) Class {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return ClassRead
	case http.MethodDelete:
		return ClassWrite
	}
	for _, part := range contentPaths {
		if strings.Contains(req.URL.Path, part+"/") || strings.HasSuffix(req.URL.Path, part) {
			return ClassContent
		}
	}
	return ClassWrite
}
