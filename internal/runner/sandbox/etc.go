package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// etc are the parts of /etc that tools need and that hold nothing secret. Globs.
var etc = []string{ //nolint:gochecknoglobals // a constant list; Go has no constant slices
	"alternatives", "ssl/certs", "ssl/openssl.cnf", "ssl/cert.pem", "pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust",
	"crypto-policies", "nsswitch.conf", "resolv.conf", "hosts", "host.conf", "protocols", "services", "ld.so.cache", "ld.so.conf",
	"ld.so.conf.d", "localtime", "timezone", "mime.types", "os-release", "debian_version", "lsb-release", "gitconfig", "fonts",
	"pip.conf", "java-*", "maven", "perl", "php", "python*", "ruby*",
}

const (
	// small is the greatest size of a file that is copied; greater ones, and folders with more, are bound.
	small = 256 << 10
	// fewEntries is the most entries of a folder that is copied.
	fewEntries = 8
)

// textFile is a file of the sandbox that is not one of the host: it is written into each sandbox's own memory, which
// costs a fraction of a bind.
type textFile struct{ path, content string }

// settings are the sandbox's /etc.
type settings struct {
	args  []string
	files []textFile
}

// newSettings reads the harmless parts of the host's /etc once.
func newSettings(home string) settings {
	s := settings{}
	passwd, group := accounts(home)
	s.files = append(s.files, textFile{"/etc/passwd", passwd}, textFile{"/etc/group", group})
	for _, pattern := range etc {
		parts, err := filepath.Glob(filepath.Join("/etc", pattern))
		if err != nil {
			continue // only a malformed pattern, and these are constant
		}
		for _, part := range parts {
			s.add(part)
		}
	}
	return s
}

// add shows a part. What cannot be read here could not be read inside either.
func (s *settings) add(part string) {
	// The target of a link (resolv.conf into /run) may not be shown itself.
	source, err := filepath.EvalSymlinks(part)
	if err != nil {
		return
	}
	info, err := os.Stat(source)
	switch {
	case err != nil:
	case info.IsDir() && s.copyFolder(part, source):
	case info.Mode().IsRegular() && info.Size() <= small:
		s.copyFile(part, source)
	default:
		s.args = append(s.args, "--ro-bind", source, part)
	}
}

// copyFolder copies a folder of a few small files and links, and reports whether it was one.
func (s *settings) copyFolder(part, source string) bool {
	entries, err := os.ReadDir(source)
	if err != nil || len(entries) > fewEntries {
		return false
	}
	copied := settings{args: []string{"--dir", part}}
	for _, entry := range entries {
		from, to := filepath.Join(source, entry.Name()), filepath.Join(part, entry.Name())
		info, err := entry.Info()
		switch {
		case err != nil || info.IsDir() || info.Size() > small:
			return false
		case info.Mode()&fs.ModeSymlink != 0:
			if target, err := os.Readlink(from); err == nil {
				copied.args = append(copied.args, "--symlink", target, to)
			}
		default:
			copied.copyFile(to, from)
		}
	}
	s.args, s.files = append(s.args, copied.args...), append(s.files, copied.files...)
	return true
}

// copyFile copies what everybody may read: the bot's user may read more than a command should.
func (s *settings) copyFile(part, source string) {
	info, err := os.Stat(source)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o004 == 0 {
		return
	}
	if content, err := os.ReadFile(source); err == nil { //nolint:gosec // a file of /etc that everybody may read, see above
		s.files = append(s.files, textFile{part, string(content)})
	}
}

// arguments write the files from descriptors, the first of which is first.
func (s *settings) arguments(first int) (args []string, contents []string) {
	args = append(args, s.args...)
	for i, file := range s.files {
		args = append(args, "--perms", "0644", "--file", fmt.Sprint(first+i), file.path)
		contents = append(contents, file.content)
	}
	return args, contents
}

// accounts are /etc/passwd and /etc/group as commands see them.
func accounts(home string) (passwd, group string) {
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = insideID, insideID
	}
	passwd = strings.Join([]string{
		"root:x:0:0:root:/:/bin/sh", fmt.Sprintf("slipway:x:%d:%d:Slipway:%s:/bin/bash", uid, gid, home), "nobody:x:65534:65534:nobody:/:/bin/false", "",
	}, "\n")
	group = strings.Join([]string{"root:x:0:", fmt.Sprintf("slipway:x:%d:", gid), "nogroup:x:65534:", ""}, "\n")
	return passwd, group
}
