// Package storetest is the suite that every store of Slipway passes.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store"
)

// Store is all that a store can do.
type Store interface {
	pipeline.Store

	RunByNumber(ctx context.Context, owner, name string, number int64) (pipeline.Run, error)
	Sweep(ctx context.Context, before time.Time) (stageRunIDs []int64, err error)

	Repositories(ctx context.Context) ([]pipeline.Repository, error)
	RepositoryNamed(ctx context.Context, owner, name string) (pipeline.Repository, error)
	Repository(ctx context.Context, id int64) (pipeline.Repository, error)
	SaveRepository(ctx context.Context, r pipeline.Repository) error
	RemoveRepository(ctx context.Context, id int64) error

	pipeline.Releases

	ChangeEnvironment(ctx context.Context, repositoryID int64, name string, change func(*pipeline.EnvironmentState) error) (pipeline.EnvironmentState, error)
	EnvironmentState(ctx context.Context, repositoryID int64, name string) (pipeline.EnvironmentState, error)
	EnvironmentStates(ctx context.Context, repositoryID int64) ([]pipeline.EnvironmentState, error)
	CreateRelease(ctx context.Context, release pipeline.Release, files []pipeline.ReleaseFile) (stored pipeline.Release, created bool, err error)
	Releases(ctx context.Context, f pipeline.ReleaseFilter) ([]pipeline.Release, error)

	Record(ctx context.Context, r pipeline.AuditRecord) error
	Records(ctx context.Context, f pipeline.AuditFilter) ([]pipeline.AuditRecord, error)
	EachRecord(ctx context.Context, f pipeline.AuditFilter, yield func(pipeline.AuditRecord) error) error

	SavePush(ctx context.Context, p pipeline.PushRecord) error
	Pushes(ctx context.Context, repositoryID int64, sha string) ([]pipeline.PushRecord, error)
	PushesTo(ctx context.Context, repositoryID int64, ref string, limit int) ([]pipeline.PushRecord, error)
	SweepPushes(ctx context.Context, before time.Time) (int, error)

	DeploymentMirror(ctx context.Context, runID int64, environment string, turn int) (pipeline.DeploymentMirror, error)
	SaveDeploymentMirror(ctx context.Context, m pipeline.DeploymentMirror) error
	LastDeployment(ctx context.Context, repositoryID int64, environment string) (pipeline.DeploymentMirror, error)
	Sticky(ctx context.Context, repositoryID int64, pullRequest int) (pipeline.Sticky, error)
	SaveSticky(ctx context.Context, s pipeline.Sticky) error

	Mirrors(ctx context.Context, runID int64) (map[int64]pipeline.Mirror, error)
	SaveMirror(ctx context.Context, m pipeline.Mirror) error
	DirtyRuns(ctx context.Context) ([]int64, error)

	Accept(ctx context.Context, d store.Delivery) (store.AcceptResult, error)
	Delivery(ctx context.Context, guid string) (store.Delivery, error)
	DeliveryDone(ctx context.Context, guid string) error
	DeliveryFailed(ctx context.Context, guid, reason string) error
	Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivery, error)
	SweepDeliveries(ctx context.Context, before time.Time) (int, error)

	Setting(ctx context.Context, key string) (string, error)
	SetSetting(ctx context.Context, key, value string) error
	SweepSettings(ctx context.Context, from, to string) (int, error)

	AliveJobs(ctx context.Context) ([]store.AliveJob, error)
}

// Run runs the suite. open gives an empty store that is closed when the test ends.
func Run(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Store){
		"create":                    testCreate,
		"create once":               testCreateOnce,
		"create fails":              testCreateFails,
		"create numbers":            testNumbers,
		"create keeps everything":   testRoundTrip,
		"change":                    testChange,
		"change appends":            testChangeAppends,
		"change fails":              testChangeFails,
		"change guards":             testChangeGuards,
		"change versions":           testVersions,
		"change jobs":               testChangeJobs,
		"find runs":                 testFindRuns,
		"open runs":                 testOpenRuns,
		"reuse":                     testReuse,
		"list":                      testList,
		"list is light":             testListIsLight,
		"repository":                testRepository,
		"repositories":              testRepositories,
		"mirror":                    testMirror,
		"dirty runs":                testDirtyRuns,
		"settings":                  testSettings,
		"sweep":                     testSweep,
		"accept":                    testAccept,
		"accept again":              testAcceptAgain,
		"accept a failed one again": testAcceptFailedAgain,
		"delivery payloads":         testPayloads,
		"delivery list":             testDeliveryList,
		"concurrent accepts":        testConcurrentAccepts,
		"concurrent changes":        testConcurrentChanges,
		"concurrent creates":        testConcurrentCreates,
		"cancelled callers":         testCancelled,
		"environment":               testEnvironment,
		"environment change fails":  testEnvironmentChangeFails,
		"environments are a list":   testEnvironments,
		"concurrent environments":   testConcurrentEnvironments,
		"release":                   testRelease,
		"release once":              testReleaseOnce,
		"release fails":             testReleaseFails,
		"release list":              testReleaseList,
		"release outlives its run":  testReleaseOutlivesItsRun,
		"concurrent releases":       testConcurrentReleases,
		"audit":                     testAudit,
		"audit once":                testAuditOnce,
		"audit list":                testAuditList,
		"audit in order":            testAuditInOrder,
		"pushes":                    testPushes,
		"push sweep":                testPushSweep,
		"deployment":                testDeployment,
		"deployment last":           testLastDeployment,
		"deployment sweep":          testDeploymentSweep,
		"sticky":                    testSticky,
		"list by environment":       testListByEnvironment,
		"gate jobs":                 testGateJobs,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// start is the time of the tests; it has every digit a store must keep.
var start = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC) //nolint:gochecknoglobals // a constant; Go has no constant times

func repository(id int64) pipeline.Repository {
	return pipeline.Repository{
		ID: id, Owner: "acme", Name: fmt.Sprintf("shop-%d", id), DefaultBranch: "main", InstallationID: 7, Private: true,
		CloneURL: fmt.Sprintf("https://github.com/acme/shop-%d.git", id),
	}
}

func push(repo int64, sha string) pipeline.Trigger {
	return pipeline.Trigger{
		Event: pipeline.EventPush, Repository: repository(repo), SHA: sha, Ref: "refs/heads/main", Branch: "main",
		Actor: "alice", Delivery: "d-" + sha, ReceivedAt: start,
	}
}

// plan has one stage that is ready at once and one that needs it.
func plan() pipeline.Plan {
	return pipeline.Plan{Name: "CI", Source: ".github/slipway.yml", Stages: []pipeline.StageSpec{
		{Key: "test", ID: "test", Uses: "run", Run: []string{"make test"}, Timeout: time.Minute},
		{Key: "deploy (production)", ID: "deploy", Uses: "kubernetes", Needs: []pipeline.Need{{Stage: "test"}}},
	}}
}

func advance(r *pipeline.Run) ([]pipeline.Job, error) { return r.Advance(start), nil }

func create(t *testing.T, s Store, trigger pipeline.Trigger) pipeline.Run {
	t.Helper()
	run, created, err := s.CreateRun(t.Context(), pipeline.NewRun(trigger, plan(), start), advance)
	if err != nil {
		t.Fatal(err)
	}
	if !created {
		t.Fatalf("a run of %s exists", trigger.Key())
	}
	return run
}

// conclude ends the first stage of a run, and with it what depends on it where it failed.
func conclude(t *testing.T, s Store, run pipeline.Run, result pipeline.Result, and ...func(*pipeline.StageRun)) pipeline.Run {
	t.Helper()
	id := run.Stages[0].ID
	run, err := s.Change(t.Context(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		if err := r.Stage(id).Move(pipeline.StatusRunning, start); err != nil {
			return nil, err
		}
		for _, fn := range and {
			fn(r.Stage(id))
		}
		return r.Conclude(id, result, start.Add(time.Minute))
	})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func verdict(status pipeline.Status) pipeline.Result {
	return pipeline.Result{Verdict: pipeline.Verdict{Status: status, Title: "it is " + string(status)}}
}

// end lets every stage of a run end.
func end(t *testing.T, s Store, run pipeline.Run) pipeline.Run {
	t.Helper()
	return conclude(t, s, run, verdict(pipeline.StatusFailure))
}

// jobs lists the jobs of one kind.
func jobs(t *testing.T, s Store, kind string) []store.AliveJob {
	t.Helper()
	all, err := s.AliveJobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found []store.AliveJob
	for _, j := range all {
		if j.Kind == kind {
			found = append(found, j)
		}
	}
	return found
}

func wantNotFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, pipeline.ErrNotFound) {
		t.Errorf("%s: error %v, want ErrNotFound", what, err)
	}
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v, want one with %q", err, part)
	}
}

func no(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
