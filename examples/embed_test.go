package examples_test

import (
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/slipwayhq/slipway/examples"
)

func TestInventoryManagerIsWhatIsCommitted(t *testing.T) {
	example, err := examples.InventoryManager()
	if err != nil {
		t.Fatal(err)
	}
	var embedded []string
	err = fs.WalkDir(example, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			embedded = append(embedded, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(example, ".github/slipway.yml", "inventory/app.py", "tests/test_items.py"); err != nil {
		t.Error(err)
	}
	cmd := exec.CommandContext(t.Context(), "git", "-C", "inventory-manager", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	out, err := cmd.Output()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("git ls-files: ", err)
		}
		t.Skip("not a git checkout")
	}
	committed := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(committed)
	slices.Sort(embedded)
	if !slices.Equal(committed, embedded) {
		t.Errorf("embedded %v\ncommitted %v", embedded, committed)
	}
}
