package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/palantir/go-githubapp/githubapp"

	"github.com/slipwayhq/slipway/internal/artifact"
	"github.com/slipwayhq/slipway/internal/checks"
	"github.com/slipwayhq/slipway/internal/handlers"
	"github.com/slipwayhq/slipway/internal/pipeline"
)

// eventHandlers are the handlers of the App; app.yml subscribes to exactly their events.
func eventHandlers(b *bot, appID int64) []githubapp.EventHandler {
	now := pipeline.SystemClock{}.Now
	return []githubapp.EventHandler{
		handlers.Ping{},
		&handlers.Push{Service: b.service, Pushes: b.db, Gate: b.keeper, Drift: b.watch, Now: now},
		&handlers.PullRequest{Service: b.service, Commits: b.forge, Pushes: b.db, Gate: b.keeper, Changed: b.pullChanged, Now: now},
		&handlers.MergeGroup{Service: b.service, Now: now},
		&handlers.IssueComment{Desk: b.desk, Deleted: b.stickies.CommentDeleted, Now: now},
		&handlers.CheckRun{Desk: b.desk, AppID: appID, StageOf: checks.ParseExternalID},
		&handlers.CheckSuite{Service: b.service, Permissions: b.forge, Runs: b.db, AppID: appID, Now: now},
		&handlers.Installation{Service: b.service, Ledger: b.db, Runs: b.db},
		&handlers.InstallationRepositories{Service: b.service, Ledger: b.db, Runs: b.db},
		&handlers.Authorization{EndSessions: b.endSessions},
	}
}

// credentials asks GitHub who we are.
func (f forge) credentials(ctx context.Context) error {
	client, err := f.App()
	if err != nil {
		return err
	}
	if _, _, err := client.Apps.Get(ctx, ""); err != nil {
		return fmt.Errorf("GitHub does not accept the App's credentials: %w", err)
	}
	return nil
}

// secretsFolder is the folder of a dir: source; stages never see it.
func secretsFolder(setting string) string {
	folder, found := strings.CutPrefix(setting, "dir:")
	if !found {
		return ""
	}
	return folder
}

// toolchain names what stages run with: this program, the system and its interpreters. When any of it changes, passed
// stages are not reused.
func toolchain() string {
	sum := sha256.New()
	sum.Write(fmt.Appendln(nil, version, commit, runtime.GOOS, runtime.GOARCH))
	if release, err := os.ReadFile("/etc/os-release"); err == nil {
		sum.Write(release)
	}
	if self, err := os.Executable(); err == nil {
		stamp(sum.Write, self)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		found, err := filepath.Glob(filepath.Join(dir, "python3*"))
		if err != nil {
			continue // a PATH entry that is no pattern holds no interpreter we could find
		}
		for _, interpreter := range found {
			stamp(sum.Write, interpreter)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// stamp adds a file's name, size and time.
func stamp(write func([]byte) (int, error), path string) {
	if info, err := os.Stat(path); err == nil { //nolint:gosec // a program of PATH, which is only looked at
		_, _ = write(fmt.Appendln(nil, path, info.Size(), info.ModTime().UnixNano())) // a hash takes everything
	}
}

// artifactFiles lets the pages read what the store keeps.
type artifactFiles struct{ *artifact.Store }

// Open implements dashboard.Artifacts.
func (f artifactFiles) Open(ctx context.Context, stageRunID int64, name string) (io.ReadCloser, int64, error) {
	file, size, err := f.Store.Open(ctx, stageRunID, name)
	if err != nil {
		return nil, 0, err
	}
	return file, size, nil
}
