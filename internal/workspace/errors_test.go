package workspace

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// What git and servers say, from real runs.
func TestKindOf(t *testing.T) {
	for said, want := range map[string]Kind{
		"error: file write error: No space left on device\nfatal: unable to write loose object file":                                                                              KindDisk,
		"fatal: write error: Disk quota exceeded\nerror: early EOF":                                                                                                               KindDisk,
		"fatal: could not read Username for 'https://github.com': terminal prompts disabled":                                                                                      KindAuth,
		"remote: Invalid username or password.\nfatal: Authentication failed for 'https://github.com/a/b/'":                                                                       KindAuth,
		"remote: Write access to repository not granted.\nfatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 403":                               KindAuth,
		"remote: Repository not found.\nfatal: repository 'https://github.com/a/b/' not found":                                                                                    KindGone,
		"fatal: '/srv/x.git' does not appear to be a git repository\nfatal: Could not read from remote repository.":                                                               KindGone,
		"fatal: remote error: upload-pack: not our ref 4444444444444444444444444444444444444444":                                                                                  KindVanished,
		"fatal: couldn't find remote ref refs/pull/7/head":                                                                                                                        KindVanished,
		"error: Server does not allow request for unadvertised object 4444444444444444444444444444444444444444":                                                                   KindVanished,
		"fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com":                                                                                   KindNetwork,
		"fatal: unable to access 'https://github.com/a/b/': Failed to connect to github.com port 443 after 1 ms: Couldn't connect to server":                                      KindNetwork,
		"fatal: unable to access 'https://github.com/a/b/': The requested URL returned error: 503":                                                                                KindNetwork,
		"fatal: unable to access 'https://x/a/b/': server certificate verification failed. CAfile: none CRLfile: none":                                                            KindNetwork,
		"error: RPC failed; curl 18 transfer closed with outstanding read data remaining\nerror: 4059 bytes of body are still expected\nfetch-pack: unexpected disconnect":        KindNetwork,
		"error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec transferred the last 60 seconds\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output": KindNetwork,
		"error: invalid path '.GIT/config'":   KindRefused,
		"fatal: transport 'file' not allowed": KindRefused,
		"error: object file objects/aa/bb is empty\nfatal: loose object aabb (stored in objects/aa/bb) is corrupt": KindCorrupt,
		"error: unable to read sha1 file of docs/SSL.md (aabb)":                                                    KindCorrupt,
		"error: packfile objects/pack/pack-1.pack does not match index":                                            KindCorrupt,
		"fatal: not a git repository: '/data/mirrors/x.git'":                                                       KindCorrupt,
		"error: inflate: data stream error (incorrect header check)":                                               KindCorrupt,
		"fatal: Unable to create '/data/mirrors/x.git/packed-refs.lock': File exists.":                             KindCorrupt,
		"something nobody has seen":                                                                                KindGit,
	} {
		err := fmt.Errorf("fetch: %w", &gitError{command: "fetch", stderr: said, err: errors.New("exit status 128")})
		if got := kindOf(errors.Join(err, errors.New("another"))); got != want {
			t.Errorf("%s, want %s: %s", got, want, said)
		}
	}
	if got := kindOf(fmt.Errorf("copy: %w", syscall.ENOSPC)); got != KindDisk {
		t.Errorf("ENOSPC is %s", got)
	}
}

func TestWordsOfServersAreHarmless(t *testing.T) {
	err := &gitError{command: "fetch", stderr: "remote: \x1b[2Jhello\r\nremote: \u009bx\nfatal: " + strings.Repeat("y", 1000) + "\n", err: errors.New("x")}
	if strings.ContainsAny(err.Error(), "\x1b\n\r\u009b") || len(err.Error()) > 1000 {
		t.Errorf("%q", err.Error())
	}
	if got := mask("a tok b", []string{"tok"}); got != "a *** b" {
		t.Error(got)
	}
}
