package githubtest

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strings"
)

var contentRoutes = []route{ //nolint:gochecknoglobals // a constant table; Go has no constant slices
	{pattern: "GET /repos/{owner}/{repo}/contents/{path...}", rule: byToken, needs: "contents=read", handle: getContents},
}

// GitHub's limits on reading files and folders.
const (
	maxInlineFile    = 1 << 20
	maxRawFile       = 100 << 20
	maxFolderEntries = 1000
)

func wantsRaw(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "github.raw") || strings.Contains(accept, "github.v3.raw") || strings.Contains(accept, "v3.raw")
}

func rawReply(data []byte) (reply, error) {
	return reply{status: http.StatusOK, raw: append([]byte{}, data...), header: http.Header{
		"Content-Type": {"application/vnd.github.raw; charset=utf-8"},
	}}, nil
}

func getContents(c *call) (reply, error) {
	ref := c.r.URL.Query().Get("ref")
	c.g.mu.Lock()
	at, err := c.repo.resolve(ref)
	if ref == "" {
		ref = c.repo.defaultBranch
	}
	c.g.mu.Unlock()
	if err != nil {
		return reply{}, &apiError{status: http.StatusNotFound, message: "No commit found for the ref " + ref}
	}
	entry, err := c.repo.git.lookup(at.tree, c.r.PathValue("path"))
	if err != nil {
		return reply{}, err
	}
	switch entry.kind() {
	case "tree":
		return c.folder(entry, ref)
	case "commit":
		return ok(c.contentDoc(entry, ref))
	}
	data, err := c.repo.git.blob(entry.sha)
	if err != nil {
		return reply{}, err
	}
	return c.file(entry, ref, data)
}

func (c *call) file(entry treeEntry, ref string, data []byte) (reply, error) {
	if len(data) > maxRawFile {
		return reply{}, forbidden("This API returns blobs up to 100 MB in size. The requested blob is too large to fetch via the API.")
	}
	if wantsRaw(c.r) {
		return rawReply(data)
	}
	d := c.contentDoc(entry, ref)
	if entry.mode == "120000" {
		d["target"] = string(data)
		return ok(d)
	}
	d["encoding"], d["content"] = "base64", wrapBase64(data)
	if len(data) > maxInlineFile {
		d["encoding"], d["content"] = "none", ""
	}
	return ok(d)
}

func (c *call) folder(entry treeEntry, ref string) (reply, error) {
	entries, err := c.repo.git.tree(entry.sha)
	if err != nil {
		return reply{}, err
	}
	list := []doc{}
	for _, e := range entries[:min(len(entries), maxFolderEntries)] {
		e.path = strings.TrimPrefix(entry.path+"/"+e.path, "/")
		list = append(list, c.contentDoc(e, ref))
	}
	return ok(list)
}

// contentDoc describes what a path holds, without the content.
func (c *call) contentDoc(e treeEntry, ref string) doc {
	kind, object := "file", "blobs/"
	switch {
	case e.kind() == "tree":
		kind, object = "dir", "trees/"
	case e.kind() == "commit":
		kind, object = "submodule", "commits/"
	case e.mode == "120000":
		kind = "symlink"
	}
	escaped := (&url.URL{Path: e.path}).EscapedPath()
	self := c.repo.api(c.g) + "/contents/" + escaped + "?ref=" + url.QueryEscape(ref)
	gitURL := c.repo.api(c.g) + "/git/" + object + e.sha
	html := c.repo.html(c.g) + "/blob/" + ref + "/" + escaped
	d := doc{
		"type": kind, "name": path.Base(e.path), "path": e.path, "sha": e.sha, "size": 0, "url": self, "git_url": gitURL,
		"html_url": html, "download_url": nil, "_links": doc{"self": self, "git": gitURL, "html": html},
	}
	if kind == "submodule" {
		d["submodule_git_url"] = nil
	}
	if e.kind() == "blob" {
		d["size"] = c.repo.git.size(e.sha)
		d["download_url"] = c.repo.html(c.g) + "/raw/" + url.PathEscape(ref) + "/" + escaped
		if c.repo.private {
			d["download_url"] = c.repo.html(c.g) + "/raw/" + url.PathEscape(ref) + "/" + escaped +
				"?token=" + c.g.rawToken(c.repo, ref, e.path)
		}
	}
	return d
}

// wrapBase64 is base64 in lines of 60, as GitHub sends it.
func wrapBase64(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > 60 {
		b.WriteString(text[:60] + "\n")
		text = text[60:]
	}
	if text != "" {
		b.WriteString(text + "\n")
	}
	return b.String()
}
