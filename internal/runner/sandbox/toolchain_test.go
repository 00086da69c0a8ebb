package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tree makes folders (names that end in a slash), links (name -> target) and programs.
func tree(t *testing.T, root string, names []string, links map[string]string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if name[len(name)-1] == '/' {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte("home = "+filepath.Join(root, "base/bin")+"\n"), 0o755); err != nil { // a program
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(filepath.Join(root, target), filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestToolchains(t *testing.T) {
	tests := map[string]struct {
		names []string
		links map[string]string
		path  []string
		shown []string
		want  []string
	}{
		"pyenv":                         {[]string{"ci/.pyenv/shims/python", "ci/.pyenv/versions/3.13/bin/python", "ci/.ssh/key"}, nil, []string{"ci/.pyenv/shims"}, nil, []string{"ci/.pyenv"}},
		"miniconda":                     {[]string{"ci/conda/bin/python", "ci/conda/lib/"}, nil, []string{"ci/conda/bin"}, nil, []string{"ci/conda"}},
		"programs in a home, alone":     {[]string{"ci/scripts/bin/tool", "ci/scripts/secret"}, nil, []string{"ci/scripts/bin"}, nil, []string{"ci/scripts/bin"}},
		"no credentials beside cargo":   {[]string{"ci/.cargo/bin/cargo", "ci/.cargo/credentials.toml", "ci/.cargo/lib/", "ci/.rustup/settings"}, nil, []string{"ci/.cargo/bin"}, nil, []string{"ci/.cargo/bin", "ci/.rustup"}},
		"no keyrings beside local":      {[]string{"ci/.local/bin/tool", "ci/.local/lib/python3/x", "ci/.local/share/keyrings/k"}, nil, []string{"ci/.local/bin"}, nil, []string{"ci/.local/bin", "ci/.local/lib"}},
		"a link leads to its toolchain": {[]string{"a/bin/", "node/v20/bin/node", "node/v20/lib/"}, map[string]string{"a/bin/node": "node/v20/bin/node"}, []string{"a/bin"}, nil, []string{"a/bin", "node/v20"}},
		"a link leads to one program":   {[]string{"a/bin/", "downloads/tool", "downloads/private"}, map[string]string{"a/bin/tool": "downloads/tool"}, []string{"a/bin"}, nil, []string{"a/bin", "downloads/tool"}},
		"virtual environment":           {[]string{"venv/bin/pip", "venv/pyvenv.cfg", "base/bin/python", "base/lib/"}, nil, []string{"venv/bin"}, nil, []string{"venv", "base"}},
		"shown already":                 {[]string{"opt/tool/bin/x", "opt/tool/lib/"}, nil, []string{"opt/tool/bin"}, []string{"opt"}, nil},
		"missing and relative":          {nil, nil, []string{"nowhere/bin"}, nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			tree(t, root, test.names, test.links)
			abs := func(names []string) []string {
				var all []string
				for _, name := range names {
					all = append(all, filepath.Join(root, name))
				}
				return all
			}
			path := "relative/bin:"
			for _, dir := range abs(test.path) {
				path += dir + ":"
			}
			if got := toolchains(path, abs(test.shown)); !slices.Equal(got, abs(test.want)) {
				t.Fatalf("got  %q\nwant %q", got, abs(test.want))
			}
		})
	}
}

func TestNoHomeIsShownAsAWhole(t *testing.T) {
	for _, prefix := range []string{"/", "/root", "/home/ci", "/home/ci/.local", "/home/ci/.cargo", "/home/ci/go", "/data"} {
		if !privatePrefix(prefix) {
			t.Errorf("%s counts as a toolchain", prefix)
		}
	}
	for _, prefix := range []string{"/root/.pyenv", "/home/ci/miniconda3", "/home/ci/.nvm/versions/node/v20", "/srv/tools/jdk"} {
		if privatePrefix(prefix) {
			t.Errorf("%s does not count as a toolchain", prefix)
		}
	}
}

func TestHiddenCoversOnlyWhatIsShown(t *testing.T) {
	root := t.TempDir()
	tree(t, root, []string{"opt/slipway/data/db", "opt/slipway/key.pem", "srv/secret"}, nil)
	data, key := filepath.Join(root, "opt/slipway/data"), filepath.Join(root, "opt/slipway/key.pem")
	policy := Policy{Hide: []string{data, key, filepath.Join(root, "srv/secret"), filepath.Join(root, "opt/missing"), ""}}
	got := hidden(policy, []string{filepath.Join(root, "opt")})
	if !slices.Equal(got, []string{"--tmpfs", data, "--ro-bind", "/dev/null", key}) {
		t.Fatalf("got %q", got)
	}
}

func TestNewRefusesWhatItCannotKeep(t *testing.T) {
	for name, policy := range map[string]Policy{
		"unknown mode":              {Mode: "jail", Network: NetworkHost},
		"unknown network":           {Mode: ModeNone, Network: "wifi"},
		"isolation without sandbox": {Mode: ModeNone, Network: NetworkIsolated},
	} {
		if _, err := New(policy); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMount(t *testing.T) {
	for path, want := range map[string]string{
		"/a/b":   "type=bind,source=/a/b,target=/a/b",
		`/a,"b"`: `type=bind,"source=/a,""b""","target=/a,""b"""`,
	} {
		if got := mount(path, false); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
