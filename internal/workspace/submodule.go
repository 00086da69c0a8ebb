package workspace

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Bounds of submodules, so that a repository that contains itself ends.
const (
	maxSubmoduleDepth = 5
	maxSubmodules     = 100
)

// gitlink is a place in a tree where a commit of another repository belongs.
type gitlink struct{ path, sha string }

// addSubmodules fills the submodules of a tree from mirrors of their own. git submodule is not used: it works by names
// and settings a repository chooses; here only the address is taken from it, and looked at.
func (j *gitJob) addSubmodules(ctx context.Context, tree, index string, depth int) error {
	out, err := j.mirror.run(ctx, call{args: []string{"ls-files", "-z", "--stage"}, env: []string{"GIT_INDEX_FILE=" + index}})
	if err != nil {
		return err
	}
	links := parseGitlinks(string(out))
	switch {
	case len(links) == 0:
		return nil
	case depth > maxSubmoduleDepth:
		return refused("submodules of submodules: more than %d levels are not followed", maxSubmoduleDepth)
	case len(links) > maxSubmodules:
		return refused("%d submodules: more than %d are not fetched", len(links), maxSubmodules)
	}
	addresses, err := j.submoduleAddresses(ctx)
	if err != nil {
		return err
	}
	for i, link := range links {
		address, ok := addresses[link.path]
		if !ok {
			return refused("submodule %s has no address in .gitmodules", printable(link.path))
		}
		// Beside the index of the tree it belongs to: out of the reach of stages.
		subIndex := fmt.Sprintf("%s.%d", index, i)
		if err := j.addSubmodule(ctx, link, address, filepath.Join(tree, filepath.FromSlash(link.path)), subIndex, depth); err != nil {
			return fmt.Errorf("submodule %s: %w", printable(link.path), err)
		}
	}
	return nil
}

func (j *gitJob) addSubmodule(ctx context.Context, link gitlink, address, tree, index string, depth int) error {
	u, err := submoduleURL(j.source.url, address)
	if err != nil {
		return err
	}
	token := j.token
	if u.Scheme != j.source.url.Scheme || u.Host != j.source.url.Host {
		token = ""
		if err := publicHost(ctx, u.Hostname()); err != nil {
			return err
		}
	}
	sub, err := j.workspace.newGitJob(pipeline.GitSource{CloneURL: u.String(), SHA: link.sha}, false, token, j.log)
	if err != nil {
		return err
	}
	if err := sub.mirror.ensure(ctx); err != nil {
		return sub.explain(ctx, err)
	}
	// git made the folder when it wrote the tree, and no stage has run yet. A link here would be its bug: say so.
	if info, err := os.Lstat(tree); err != nil || !info.IsDir() {
		return fmt.Errorf("its place is not a folder: %w", os.ErrInvalid)
	}
	_, err = sub.mirror.run(ctx, call{
		args: []string{"--work-tree=" + tree, "read-tree", "--reset", "-u", "--end-of-options", link.sha},
		dir:  tree, env: []string{"GIT_INDEX_FILE=" + index},
	})
	if err != nil {
		return sub.explain(ctx, err)
	}
	return sub.addSubmodules(ctx, tree, index, depth+1)
}

// parseGitlinks reads git ls-files -z --stage: "160000 <sha> 0\t<path>".
func parseGitlinks(listing string) []gitlink {
	var links []gitlink
	for entry := range strings.SplitSeq(listing, "\x00") {
		rest, ok := strings.CutPrefix(entry, gitlinkMode)
		if !ok {
			continue
		}
		meta, name, ok := strings.Cut(rest, "\t")
		sha, _, _ := strings.Cut(meta, " ")
		if ok && filepath.IsLocal(filepath.FromSlash(name)) && objectName.MatchString(sha) {
			links = append(links, gitlink{path: name, sha: sha})
		}
	}
	return links
}

// submoduleAddresses reads .gitmodules of the commit: path -> address. Names count only to find the two that belong
// together.
func (j *gitJob) submoduleAddresses(ctx context.Context) (map[string]string, error) {
	if _, err := j.mirror.run(ctx, call{args: []string{"cat-file", "-e", j.source.SHA + ":.gitmodules"}}); err != nil {
		return map[string]string{}, nil //nolint:nilerr // without the file no submodule has an address; the caller says which
	}
	out, err := j.mirror.run(ctx, call{args: []string{"config", "--blob=" + j.source.SHA + ":.gitmodules", "-z", "--list"}})
	if err != nil {
		return nil, refused(".gitmodules of commit %s cannot be read: %v", short(j.source.SHA), err)
	}
	return parseGitmodules(string(out)), nil
}

// parseGitmodules reads git config -z --list: "submodule.<name>.path\n<value>".
func parseGitmodules(listing string) map[string]string {
	paths, addresses := map[string]string{}, map[string]string{}
	for entry := range strings.SplitSeq(listing, "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		name, isSubmodule := strings.CutPrefix(key, "submodule.")
		if !isSubmodule {
			continue
		}
		if n, ok := strings.CutSuffix(name, ".path"); ok {
			paths[n] = path.Clean(value)
		} else if n, ok := strings.CutSuffix(name, ".url"); ok {
			addresses[n] = value
		}
	}
	byPath := make(map[string]string, len(paths))
	for name, p := range paths {
		if address, ok := addresses[name]; ok {
			byPath[p] = address
		}
	}
	return byPath
}

// scpLike is git@github.com:owner/name.git, which people write in .gitmodules and App tokens cannot serve.
var scpLike = regexp.MustCompile(`^(?:ssh://)?git@([A-Za-z0-9.-]+)[:/](.+)$`)

// submoduleURL resolves an address of .gitmodules. Relative ones are relative to the repository's own.
func submoduleURL(parent *url.URL, address string) (*url.URL, error) {
	if strings.HasPrefix(address, "./") || strings.HasPrefix(address, "../") {
		u := *parent
		u.Path = path.Join(parent.Path, address)
		return &u, nil
	}
	if m := scpLike.FindStringSubmatch(address); m != nil {
		address = "https://" + m[1] + "/" + m[2]
	}
	u, err := checkURL(address, false)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "https" && u.Host != parent.Host {
		return nil, refused("%s: submodules come from the repository's own host or by https", printable(u.Redacted()))
	}
	return u, nil
}

// publicHost refuses names of the inner network, which a repository could otherwise have us talk to.
func publicHost(ctx context.Context, host string) error {
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return &Error{Kind: KindNetwork, Infrastructure: true, Err: err, Message: fmt.Sprintf("the host %s is not found", printable(host))}
	}
	for _, a := range addresses {
		if !isPublic(a.Unmap()) {
			return refused("%s is an address of the inner network; submodules of another host must be public", printable(host))
		}
	}
	return nil
}

// sharedAddressSpace is RFC 6598, which netip does not count as private.
func isPublic(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !netip.MustParsePrefix("100.64.0.0/10").Contains(a)
}
