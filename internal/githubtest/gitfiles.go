package githubtest

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// changedFile is one file of a comparison.
type changedFile struct {
	path, previous     string
	status             string // as GitHub names it
	sha                string
	additions, removed int
	patch              string // empty for binary files and very long ones
}

const (
	emptyTree     = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	maxPatchBytes = 512 << 10
)

var fileStatus = map[byte]string{'A': "added", 'D': "removed", 'M': "modified", 'R': "renamed", 'C': "copied", 'T': "changed"} //nolint:gochecknoglobals // a constant table; Go has no constant maps

// diff compares two trees or commits, with renames and patches.
func (s *gitStore) diff(ctx context.Context, from, to string) ([]changedFile, error) {
	options := []string{"diff", "--no-color", "--no-ext-diff", "--no-textconv", "-M", "--full-index"}
	listing, err := s.git(ctx, append(options, "--raw", "--numstat", "-z", from, to)...)
	if err != nil {
		return nil, err
	}
	patches, err := s.git(ctx, append(options, "-p", "--src-prefix=a/", "--dst-prefix=b/", from, to)...)
	if err != nil {
		return nil, err
	}
	files := parseRaw(listing)
	attachPatches(files, patches)
	return files, nil
}

// parseRaw reads the output of git diff --raw --numstat -z: first all raw records, then all counts, in one order.
func parseRaw(out string) []changedFile {
	fields := strings.Split(out, "\x00")
	var files []changedFile
	i := 0
	for ; i+1 < len(fields) && strings.HasPrefix(fields[i], ":"); i += 2 {
		meta := strings.Fields(fields[i])
		if len(meta) < 5 {
			return files
		}
		f := changedFile{path: fields[i+1], status: fileStatus[meta[4][0]], sha: meta[3]}
		switch meta[4][0] {
		case 'D':
			f.sha = meta[2]
		case 'R', 'C':
			f.previous, f.path = fields[i+1], fields[i+2]
			i++
		}
		files = append(files, f)
	}
	for n := 0; n < len(files) && i < len(fields); n, i = n+1, i+1 {
		counts := strings.SplitN(fields[i], "\t", 3)
		if len(counts) < 3 {
			break
		}
		files[n].additions, files[n].removed = count(counts[0]), count(counts[1])
		if counts[2] == "" { // a rename: both names follow
			i += 2
		}
	}
	return files
}

// count reads a number of numstat; "-" stands for a binary file.
func count(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// attachPatches gives each file its section of a patch, which has them in the same order.
func attachPatches(files []changedFile, patch string) {
	sections := strings.Split("\n"+patch, "\ndiff --git ")[1:]
	for i := range files {
		if len(sections) == 0 {
			return
		}
		section := sections[0]
		sections = sections[1:]
		if files[i].status == "changed" && len(sections) > 0 { // a change of type is a removal and an addition
			sections = sections[1:]
			continue
		}
		if at := strings.Index(section, "\n@@ "); at >= 0 && len(section) <= maxPatchBytes {
			files[i].patch = strings.ToValidUTF8(strings.TrimSuffix(section[at+1:], "\n"), "�")
		}
	}
}

func (g *GitHub) fileDoc(r *repository, sha string, f changedFile) doc {
	escaped := (&url.URL{Path: f.path}).EscapedPath()
	d := doc{
		"sha": f.sha, "filename": f.path, "status": f.status, "additions": f.additions, "deletions": f.removed,
		"changes": f.additions + f.removed, "blob_url": fmt.Sprintf("%s/blob/%s/%s", r.html(g), sha, escaped),
		"raw_url":      fmt.Sprintf("%s/raw/%s/%s", r.html(g), sha, escaped),
		"contents_url": fmt.Sprintf("%s/contents/%s?ref=%s", r.api(g), escaped, sha),
	}
	if f.patch != "" {
		d["patch"] = f.patch
	}
	if f.previous != "" {
		d["previous_filename"] = f.previous
	}
	return d
}
