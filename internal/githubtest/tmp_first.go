package githubtest

import "net/http"

func (g *GitHub) pageHandler() http.Handler                    { return http.NotFoundHandler() }
func (g *GitHub) rawToken(r *repository, ref, p string) string { return "" }
