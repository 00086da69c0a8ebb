package workspace

import (
	"os/exec"
	"slices"
	"strings"
)

// prepareLargeFiles lets git write the files that LFS pointers stand for. The server is the repository's own, whatever
// its .lfsconfig says: configuration given here wins over it. Where LFS is not asked for, pointers stay pointers and
// no filter of .gitattributes runs, since none is configured.
func (j *gitJob) prepareLargeFiles(s *slot) error {
	if !j.source.LFS {
		return nil
	}
	program, err := exec.LookPath("git-lfs")
	if err != nil {
		return &Error{
			Kind: KindTool, Err: err,
			Message: "this stage asks for large files (LFS) and git-lfs is not installed where stages run: install it, or turn LFS off",
		}
	}
	config, secrets := credentials(j.source.origin(), j.token)
	address := strings.TrimSuffix(strings.TrimSuffix(j.source.url.String(), "/"), ".git") + ".git/info/lfs"
	s.secrets = secrets
	s.filters = slices.Concat(config, []setting{
		{"filter.lfs.process", shellQuote(program) + " filter-process"},
		{"filter.lfs.smudge", shellQuote(program) + " smudge -- %f"},
		{"filter.lfs.required", "true"},
		{"lfs.url", address},
		{"lfs." + address + ".access", "basic"},
		{"lfs.basictransfersonly", "true"},
		{"lfs.activitytimeout", "60"},
	})
	return nil
}

// shellQuote is for git, which hands a filter's command to a shell.
func shellQuote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
