package githubtest

import "net/http"

type conformance struct{}

func newConformance(func(string)) (*conformance, error)        { return nil, nil }
func (*conformance) request(*http.Request, []byte)             {}
func (*conformance) response(*http.Request, reply)             {}
func (g *GitHub) pageHandler() http.Handler                    { return http.NotFoundHandler() }
func (g *GitHub) rawToken(r *repository, ref, p string) string { return "" }
