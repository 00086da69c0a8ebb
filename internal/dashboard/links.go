package dashboard

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// RunURL is the address of a run's page below the address people reach the server at.
func RunURL(publicURL string, run pipeline.Run) string {
	return links{strings.TrimRight(publicURL, "/")}.run(run.Trigger.Repository, run.Number)
}

// StageURL is the address of a run's page with one stage opened: where a check's Details lead.
func StageURL(publicURL string, run pipeline.Run, stageKey string) string {
	return links{strings.TrimRight(publicURL, "/")}.stage(run.Trigger.Repository, run.Number, stageKey)
}

// links builds addresses below a base path ("" or "/slipway").
type links struct{ base string }

func (l links) repository(r pipeline.Repository) string {
	return l.base + "/" + url.PathEscape(r.Owner) + "/" + url.PathEscape(r.Name)
}

func (l links) run(r pipeline.Repository, number int64) string {
	return fmt.Sprintf("%s/runs/%d", l.repository(r), number)
}

func (l links) stage(r pipeline.Repository, number int64, key string) string {
	return l.run(r, number) + "?" + url.Values{"stage": {key}}.Encode()
}

func (l links) attempt(r pipeline.Repository, number int64, key string, attempt int) string {
	return fmt.Sprintf("%s&attempt=%d", l.stage(r, number, key), attempt)
}

func (l links) artifact(r pipeline.Repository, number, stageRunID int64, name string) string {
	return fmt.Sprintf("%s/artifacts/%d/%s", l.run(r, number), stageRunID, escapePath(name))
}

func (l links) rawLog(r pipeline.Repository, number, stageRunID int64) string {
	return fmt.Sprintf("%s/logs/%d", l.run(r, number), stageRunID)
}

// forge builds addresses of pages on GitHub; all are empty for a repository whose clone URL is not a web address.
type forge struct{ web string }

func forgeOf(r pipeline.Repository) forge {
	u, err := url.Parse(r.CloneURL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return forge{}
	}
	return forge{u.Scheme + "://" + u.Host + "/" + url.PathEscape(r.Owner) + "/" + url.PathEscape(r.Name)}
}

func (f forge) commit(sha string) string {
	if f.web == "" || sha == "" {
		return ""
	}
	return f.web + "/commit/" + url.PathEscape(sha)
}

func (f forge) pull(number int) string {
	if f.web == "" || number == 0 {
		return ""
	}
	return fmt.Sprintf("%s/pull/%d", f.web, number)
}

func (f forge) branch(name string) string {
	if f.web == "" || name == "" {
		return ""
	}
	return f.web + "/tree/" + escapePath(name)
}

func (f forge) file(sha, path string, line int) string {
	if f.web == "" || sha == "" || path == "" || strings.Contains("/"+path+"/", "/../") {
		return ""
	}
	address := f.web + "/blob/" + url.PathEscape(sha) + "/" + escapePath(path)
	if line > 0 {
		address += fmt.Sprintf("#L%d", line)
	}
	return address
}

func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}

// webURL passes http and https addresses only; anything else a report names is not made a link.
func webURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return ""
	}
	return u.String()
}
