package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/slipwayhq/slipway/internal/report"
)

// place is what is built, found in the checkout.
type place struct {
	// context is the absolute path of the folder, dockerfile that of the file; name is the file's path in the checkout.
	context, dockerfile, name string
	text                      []byte
}

// maxDockerfile bounds a Dockerfile.
const maxDockerfile = 1 << 20

// find locates context and Dockerfile. A link in the repository may lead to another place of the checkout, never out of it.
func (a *attempt) find() (place, error) {
	context := path.Clean(filepath.ToSlash(a.settings.Context))
	name := path.Join(context, "Dockerfile")
	if a.settings.Dockerfile != "" {
		name = path.Clean(filepath.ToSlash(a.settings.Dockerfile))
	}
	folder, err := a.inside(context)
	if err != nil {
		return place{}, fail("There is no build context", fmt.Sprintf("`context` is %s, and %v.", a.settings.Context, err))
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return place{}, fail("The build context is no folder", fmt.Sprintf("`context` is %s, which is no folder.", a.settings.Context))
	}
	file, err := a.inside(name)
	if err != nil {
		return place{}, fail("There is no Dockerfile", fmt.Sprintf("%s: %v. `dockerfile` of the stage says where it is.", name, err))
	}
	text, err := a.read(name)
	if err != nil {
		return place{}, fail("The Dockerfile cannot be read", fmt.Sprintf("%s: %v.", name, err))
	}
	return place{context: folder, dockerfile: file, name: name, text: text}, nil
}

// inside resolves a path of the checkout.
func (a *attempt) inside(name string) (string, error) {
	resolved, err := filepath.EvalSymlinks(filepath.Join(a.s.Dir(), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("the commit has no such file")
	}
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(a.s.Dir(), resolved)
	if err != nil || !filepath.IsLocal(rel) {
		return "", errors.New("it leads out of the repository")
	}
	return resolved, nil
}

// read returns a regular file of bounded size.
func (a *attempt) read(name string) (text []byte, err error) {
	f, err := report.Open(a.s.Root(), filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > maxDockerfile {
		return nil, fmt.Errorf("it has %d bytes, which is more than %d", info.Size(), maxDockerfile)
	}
	text = make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil && len(text) > 0 {
		return nil, err
	}
	return text, nil
}

// sentence ends a text with one full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
