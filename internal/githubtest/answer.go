package githubtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// delay adds the configured latency; it reports whether the caller is still there.
func (g *GitHub) delay(r *http.Request) bool {
	if g.opts.Latency == 0 {
		return true
	}
	timer := time.NewTimer(g.opts.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// answer writes what a route returned and logs the request.
func (g *GitHub) answer(w http.ResponseWriter, r *http.Request, who identity, rep reply, err error) {
	header := w.Header()
	if err != nil {
		rep = g.errorReply(r, err)
	}
	maps.Copy(header, rep.header)
	header.Set("X-Github-Media-Type", "github.v3; format=json")
	header.Set("X-Github-Request-Id", strings.ToUpper(uuid.NewString()[:18]))
	header.Set("X-Github-Api-Version-Selected", apiVersion)
	data := rep.raw
	if data == nil && rep.body != nil {
		header.Set("Content-Type", jsonMediaType)
		if data, err = json.Marshal(rep.body); err != nil {
			g.log.Error().Err(err).Str("path", r.URL.Path).Msg("answer cannot be written")
			rep.status = http.StatusInternalServerError
		}
	}
	unchanged := r.Method == http.MethodGet && rep.status == http.StatusOK && setETag(header, r, who, data)
	if unchanged {
		rep.status, data = http.StatusNotModified, nil
	}
	g.limiter.charge(header, who, g.clock.Now(), unchanged)
	g.logRequest(r, who, rep.status)
	w.WriteHeader(rep.status)
	if _, err := w.Write(data); err != nil && len(data) > 0 {
		g.log.Debug().Err(err).Str("path", r.URL.Path).Msg("the caller went away")
	}
}

// setETag names the version of an answer; it reports whether the caller has that version already.
func setETag(header http.Header, r *http.Request, who identity, data []byte) bool {
	sum := sha256.Sum256(data)
	etag := `W/"` + hex.EncodeToString(sum[:]) + `"`
	header.Set("ETag", etag)
	scope := "public"
	if who.kind() != "none" {
		scope = "private"
	}
	header.Set("Cache-Control", scope+", max-age=60, s-maxage=60")
	header.Set("Vary", "Accept, Authorization, Cookie, X-GitHub-OTP,Accept-Encoding, Accept, X-Requested-With")
	for candidate := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimSpace(candidate) == etag {
			return true
		}
	}
	return false
}

func (g *GitHub) errorReply(r *http.Request, err error) reply {
	var e *apiError
	if !errors.As(err, &e) {
		if errors.Is(err, errNoObject) {
			e = errNotFound
		} else {
			g.log.Error().Err(err).Str("method", r.Method).Str("path", r.URL.Path).Msg("GitHub stand-in failed")
			e = &apiError{status: http.StatusInternalServerError, message: "Server Error"}
		}
	}
	return reply{status: e.status, body: e.body(), header: e.header}
}
