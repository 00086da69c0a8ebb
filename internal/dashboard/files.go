package dashboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/display"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// harmless makes what a stranger's build left behind safe to receive: it is saved, never shown, whatever it claims to be.
func harmless(header http.Header, name string) {
	header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(name)}))
}

// fileName is the last part of an artifact's name without what file systems and terminals dislike.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`\/:*?"<>|`, r) {
			return '_'
		}
		return r
	}, display.Line(path.Base(name)))
	name = strings.TrimLeft(name, ".")
	if name == "" {
		return "artifact"
	}
	return name
}

// artifact sends a file of a stage. Only names that the stage's record lists are asked of the store, so that an address
// cannot wander.
func (s *server) artifact(w http.ResponseWriter, r *http.Request) {
	run, ok := s.load(w, r)
	if !ok {
		return
	}
	name := r.PathValue("name")
	stage, ok := stageOf(run, r.PathValue("stageRunID"))
	if !ok || !fs.ValidPath(name) || !lists(stage, name) {
		s.missing(w, r, "No such artifact", "The stage left no file of that name.")
		return
	}
	content, size, err := s.artifacts.Open(r.Context(), stage.ID, name)
	switch {
	case missingFile(err):
		s.missing(w, r, "No longer kept", "Artifacts are kept for 90 days. Run the pipeline again to make this one anew.")
		return
	case err != nil:
		s.trouble(w, r, fmt.Errorf("open artifact %s of stage run %d: %w", name, stage.ID, err))
		return
	}
	harmless(w.Header(), name)
	if size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	if r.Method != http.MethodHead {
		s.send(w, r, content)
	}
	if err := content.Close(); err != nil {
		s.log.Warn().Err(err).Str("artifact", name).Msg("artifact not closed")
	}
}

func lists(stage pipeline.StageRun, name string) bool {
	for _, a := range stage.Result.Artifacts {
		if a.Name == name {
			return true
		}
	}
	return false
}

// send copies a file; a long download must not end at the server's write timeout.
func (s *server) send(w http.ResponseWriter, r *http.Request, content io.Reader) {
	s.deadline(w, time.Time{})
	if _, err := io.Copy(w, content); err != nil && r.Context().Err() == nil {
		s.breakOff(w, r, err)
	}
}

// breakOff cuts the connection in the middle of an answer, so that nobody takes half a file for a whole one: with the
// deadline over, the mark that ends the answer cannot be written.
func (s *server) breakOff(w http.ResponseWriter, r *http.Request, err error) {
	s.log.Warn().Err(err).Str("path", r.URL.Path).Msg("download broken off")
	s.deadline(w, time.Unix(1, 0))
}

func (s *server) deadline(w http.ResponseWriter, at time.Time) {
	if err := http.NewResponseController(w).SetWriteDeadline(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.log.Debug().Err(err).Msg("write deadline not set")
	}
}

// rawLog sends a stage's whole log as plain text, as it was written but for its escape sequences.
func (s *server) rawLog(w http.ResponseWriter, r *http.Request) {
	run, ok := s.load(w, r)
	if !ok {
		return
	}
	stage, ok := stageOf(run, r.PathValue("stageRunID"))
	if !ok {
		s.missing(w, r, "No such log", "The run has no such stage.")
		return
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	s.deadline(w, time.Time{})
	out := bufio.NewWriterSize(w, 64<<10)
	var after int64
	for {
		lines, err := s.logs.Lines(r.Context(), stage.ID, after, readBatch)
		if err != nil {
			s.breakOff(w, r, fmt.Errorf("read the log of stage run %d: %w", stage.ID, err))
			return
		}
		for _, line := range lines {
			after = line.Seq
			if _, err := out.WriteString(display.Plain(lastState(line.Text)) + "\n"); err != nil {
				return // the visitor has left
			}
		}
		if len(lines) == 0 {
			break
		}
	}
	if err := out.Flush(); err != nil {
		s.log.Debug().Err(err).Msg("visitor left")
	}
}
