package environment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/store/sqlite"
)

// house is a keeper with a real store, a real service, and everything else as a test says. Its jobs are those that changes
// ask for, worked by the test one by one, at the time that its clock shows.
type house struct {
	testing.TB
	db      *sqlite.DB
	repo    pipeline.Repository
	service *pipeline.Service
	keeper  *Keeper

	mu      sync.Mutex
	now     time.Time
	jobs    []dueJob
	defined pipeline.Definition
	rules   []pipeline.EnvironmentDefinition
	pull    Pull
	gone    bool // the pull request
	heads   map[string]string
	commit  Commit
	may     map[string]string          // permissions
	teams   map[string][]string        // members by "organisation/team"
	files   map[string]string          // artifacts
	plays   map[string]pipeline.Result // what stages end with, by key and phase
	deaf    map[string]bool            // what GitHub does not answer
	started []string                   // stages, in order

	calls, cut int // the call of the store that is cut off
	after      bool
}

type dueJob struct {
	pipeline.Job
	at    time.Time
	tries int
}

var errCut = errors.New("the power is gone")

func newHouse(t testing.TB, stages ...string) *house {
	t.Helper()
	h := &house{TB: t, now: noon}
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "slipway.db"), sqlite.Options{Now: h.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h.furnish(db, shop, stages...)
}

// beside is a house of another repository in the same store.
func (h *house) beside(id int64, stages ...string) *house {
	repo := shop
	repo.ID, repo.Name = id, fmt.Sprint("shop-", id)
	return (&house{TB: h.TB, now: noon}).furnish(h.db, repo, stages...)
}

func (h *house) furnish(db *sqlite.DB, repo pipeline.Repository, stages ...string) *house {
	h.db, h.repo = db, repo
	h.heads = map[string]string{"main": "base1"}
	h.may = map[string]string{"alice": "write", "bob": "write", "carol": "admin", "dave": "write", "eve": "read"}
	h.teams, h.files, h.deaf = map[string][]string{}, map[string]string{}, map[string]bool{}
	h.plays = map[string]pipeline.Result{}
	h.commit = Commit{Authors: []string{"bob", "web-flow"}}
	h.pull = Pull{State: PullOpen, Head: "head1", Author: "bob", Base: "main"}
	h.define(stages...)
	h.service = pipeline.NewService(pipeline.ServiceOptions{
		Store: h, Definitions: h, Forge: h, Built: func(string) bool { return true }, Releases: h.db, Clock: h, Logger: zerolog.Nop(),
	})
	h.keeper = h.newKeeper()
	return h
}

func (h *house) newKeeper() *Keeper {
	k := NewKeeper(Options{
		Store: h, Rules: h, People: h, Forge: h, Artifacts: h, Superseder: h.service, Observers: []pipeline.Observer{h}, Clock: h, Logger: zerolog.Nop(),
	})
	k.turns.patience = time.Minute // races wait for each other
	return k
}

// define reads stages: "dep run @production <test". Both environments take main, production asks for nothing.
func (h *house) define(stages ...string) {
	matches := func(b string) bool { return b == "main" }
	always := &pipeline.BranchFilter{Match: func(string) bool { return true }}
	h.defined = pipeline.Definition{Name: "test", On: pipeline.On{Push: always, PullRequest: always}}
	for _, line := range stages {
		words := strings.Fields(line)
		def := pipeline.StageDefinition{ID: words[0], Uses: words[1], Timeout: time.Minute}
		for _, w := range words[2:] {
			switch {
			case w[0] == '@':
				def.Environment = w[1:]
			case w[0] == '<':
				def.Needs = append(def.Needs, pipeline.Need{Stage: w[1:]})
			case strings.HasPrefix(w, "retry="):
				def.Retry = int(w[len("retry=")] - '0')
			case w == "goes-back":
				def.With = []byte(`{"rollback-on-failure":true}`)
			}
		}
		h.defined.Stages = append(h.defined.Stages, def)
	}
	for _, name := range []string{"staging", "production"} {
		h.defined.Environments = append(h.defined.Environments, pipeline.EnvironmentDefinition{
			Name: name, Branches: []string{"main"}, MatchBranch: matches, AutoDeploy: true, PullRequests: true,
		})
	}
	h.rules = slices.Clone(h.defined.Environments)
}

func (h *house) rule(alter func(*pipeline.EnvironmentDefinition)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	alter(&h.rules[1])
}

// approvals has production ask for that many, of anybody who may write, but not of whoever made it.
func (h *house) approvals(n int) {
	h.rule(func(r *pipeline.EnvironmentDefinition) {
		r.Approvals = pipeline.ApprovalRule{Required: n, PreventSelfApproval: true}
	})
}

func (h *house) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) RunChanged(pipeline.Run)                  {}
func (h *house) LogAppended(int64, []pipeline.StoredLine) {}
func (h *house) hears(what string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deaf[what] {
		return fmt.Errorf("GitHub does not tell the %s", what)
	}
	return nil
}

// What the service asks.

func (h *house) Definition(context.Context, pipeline.Trigger) (pipeline.Definition, error) {
	return h.defined, nil
}
func (*house) Tree(context.Context, pipeline.Repository, string) (string, error) { return "", nil }
func (*house) ChangedPaths(context.Context, pipeline.Trigger) ([]string, error)  { return nil, nil }
func (*house) GitToken(context.Context, pipeline.Repository) (string, error)     { return "", nil }

// What the keeper asks.

func (h *house) Environments(context.Context, pipeline.Repository) ([]pipeline.EnvironmentDefinition, error) {
	if err := h.hears("rules"); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deaf["file"] {
		return nil, &pipeline.InvalidDefinitionError{Problems: []pipeline.Problem{{Message: "unknown key"}}}
	}
	return slices.Clone(h.rules), nil
}

func (h *house) Permission(_ context.Context, _ pipeline.Repository, user string) (string, error) {
	if err := h.hears("permission"); err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return cmp.Or(h.may[strings.ToLower(user)], "none"), nil
}

func (h *house) TeamMember(_ context.Context, _ pipeline.Repository, organisation, team, user string) (bool, error) {
	if err := h.hears("team"); err != nil {
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.teams[organisation+"/"+team], strings.ToLower(user)), nil
}

func (h *house) PullAt(context.Context, pipeline.Repository, int) (Pull, error) {
	if err := h.hears("pull"); err != nil {
		return Pull{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return Pull{}, pipeline.ErrNotFound
	}
	return h.pull, nil
}

func (h *house) BranchHead(_ context.Context, _ pipeline.Repository, branch string) (string, error) {
	if err := h.hears("branch"); err != nil {
		return "", err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if head, ok := h.heads[branch]; ok {
		return head, nil
	}
	return "", pipeline.ErrNotFound
}

func (h *house) CommitOf(context.Context, pipeline.Repository, string) (Commit, error) {
	if err := h.hears("commit"); err != nil {
		return Commit{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.commit, nil
}

func (h *house) Private(_ context.Context, _ int64, name string) ([]byte, error) {
	if err := h.hears("artifacts"); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	text, ok := h.files[name]
	if !ok {
		return nil, fmt.Errorf("private file %s: %w", name, pipeline.ErrNotFound)
	}
	return []byte(text), nil
}

// The store: each call may be the one at which the power goes, before it is made or after.

func (h *house) cutAt() (before, after bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	return h.calls == h.cut && !h.after, h.calls == h.cut && h.after
}

func called[T any](h *house, do func() (T, error)) (T, error) {
	var none T
	before, after := h.cutAt()
	if before {
		return none, errCut
	}
	result, err := do()
	if after {
		return none, errCut
	}
	return result, err
}

func (h *house) Run(ctx context.Context, id int64) (pipeline.Run, error) {
	return called(h, func() (pipeline.Run, error) { return h.db.Run(ctx, id) })
}

func (h *house) Runs(ctx context.Context, f pipeline.RunFilter) ([]pipeline.Run, error) {
	return called(h, func() ([]pipeline.Run, error) { return h.db.Runs(ctx, f) })
}

func (h *house) OpenRuns(ctx context.Context, group string) ([]pipeline.Run, error) {
	return called(h, func() ([]pipeline.Run, error) { return h.db.OpenRuns(ctx, group) })
}

func (h *house) RunByKey(ctx context.Context, key string) (pipeline.Run, error) {
	return h.db.RunByKey(ctx, key)
}
func (h *house) RunOfStage(ctx context.Context, id int64) (pipeline.Run, error) {
	return h.db.RunOfStage(ctx, id)
}

func (h *house) FindReusable(context.Context, int64, string, bool) (pipeline.StageRun, pipeline.Run, error) {
	return pipeline.StageRun{}, pipeline.Run{}, pipeline.ErrNotFound
}

func (h *house) CreateRun(ctx context.Context, run pipeline.Run, prepare func(*pipeline.Run) ([]pipeline.Job, error)) (pipeline.Run, bool, error) {
	var jobs []pipeline.Job
	stored, created, err := h.db.CreateRun(ctx, run, func(r *pipeline.Run) (_ []pipeline.Job, err error) {
		jobs, err = prepare(r)
		return jobs, err
	})
	if err == nil && created {
		h.add(stored, jobs)
	}
	return stored, created, err
}

func (h *house) Change(ctx context.Context, id int64, change func(*pipeline.Run) ([]pipeline.Job, error)) (pipeline.Run, error) {
	return called(h, func() (pipeline.Run, error) { return h.change(ctx, id, change) })
}

// change is a change at which no power goes: the engine's.
func (h *house) change(ctx context.Context, id int64, change func(*pipeline.Run) ([]pipeline.Job, error)) (pipeline.Run, error) {
	var jobs []pipeline.Job
	run, err := h.db.Change(ctx, id, func(r *pipeline.Run) (_ []pipeline.Job, err error) {
		jobs, err = change(r)
		return jobs, err
	})
	if err == nil {
		h.add(run, jobs)
	}
	return run, err
}

func (h *house) add(run pipeline.Run, jobs []pipeline.Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, j := range jobs {
		j.RunID = run.ID
		if j.Kind == pipeline.JobStage {
			for _, s := range run.Current() {
				if j.StageRunID == 0 && s.Spec.Key == j.Key {
					j.StageRunID = s.ID
				}
			}
		}
		h.jobs = append(h.jobs, dueJob{Job: j, at: h.now.Add(j.After)})
	}
}

func (h *house) EnvironmentState(ctx context.Context, repo int64, name string) (pipeline.EnvironmentState, error) {
	return called(h, func() (pipeline.EnvironmentState, error) { return h.db.EnvironmentState(ctx, repo, name) })
}

func (h *house) ChangeEnvironment(ctx context.Context, repo int64, name string, change func(*pipeline.EnvironmentState) error) (pipeline.EnvironmentState, error) {
	return called(h, func() (pipeline.EnvironmentState, error) { return h.db.ChangeEnvironment(ctx, repo, name, change) })
}

type createdRelease struct {
	pipeline.Release
	created bool
}

func (h *house) CreateRelease(ctx context.Context, r pipeline.Release, files []pipeline.ReleaseFile) (pipeline.Release, bool, error) {
	made, err := called(h, func() (createdRelease, error) {
		stored, created, err := h.db.CreateRelease(ctx, r, files)
		return createdRelease{stored, created}, err
	})
	return made.Release, made.created, err
}

func (h *house) Release(ctx context.Context, repo int64, environment string, number int64) (pipeline.Release, error) {
	return called(h, func() (pipeline.Release, error) { return h.db.Release(ctx, repo, environment, number) })
}

func (h *house) ReleaseFile(ctx context.Context, repo int64, environment string, number int64, name string) ([]byte, error) {
	return called(h, func() ([]byte, error) { return h.db.ReleaseFile(ctx, repo, environment, number, name) })
}

func (h *house) Record(ctx context.Context, r pipeline.AuditRecord) error {
	_, err := called(h, func() (bool, error) { return true, h.db.Record(ctx, r) })
	return err
}

func (h *house) Pushes(ctx context.Context, repo int64, sha string) ([]pipeline.PushRecord, error) {
	return called(h, func() ([]pipeline.PushRecord, error) { return h.db.Pushes(ctx, repo, sha) })
}

// What a test does.

var shop = pipeline.Repository{ID: 5, Owner: "acme", Name: "shop", DefaultBranch: "main"}

func pushed(sha string) pipeline.Trigger {
	return pipeline.Trigger{
		Event: pipeline.EventPush, Repository: shop, SHA: sha, Ref: "refs/heads/main", Branch: "main", Actor: "alice", Delivery: "push-" + sha,
	}
}

// wished is alice's /deploy of the head of an open pull request.
func wished(action pipeline.Action, environment string) pipeline.Trigger {
	return pipeline.Trigger{
		Event: pipeline.EventDeploy, Repository: shop, SHA: "head1", Ref: "refs/pull/7/head", Branch: "topic", Base: "main", PullRequest: 7,
		Actor: "alice", Delivery: "comment-" + string(action),
		Deploy: &pipeline.Deploy{Environment: environment, Action: action, Pinned: true},
	}
}

func (h *house) submit(t pipeline.Trigger) int64 {
	h.Helper()
	t.Repository = h.repo
	run, err := h.service.Submit(context.Background(), t)
	if err != nil {
		h.Fatal(err)
	}
	return run.ID
}

func (h *house) load(id int64) pipeline.Run {
	h.Helper()
	run, err := h.db.Run(context.Background(), id)
	if err != nil {
		h.Fatal(err)
	}
	return run
}

func (h *house) entry(id int64) pipeline.Entry {
	h.Helper()
	run := h.load(id)
	return run.Entries[len(run.Entries)-1]
}

func (h *house) state() pipeline.EnvironmentState {
	h.Helper()
	state, err := h.db.EnvironmentState(context.Background(), h.repo.ID, "production")
	if err != nil {
		h.Fatal(err)
	}
	return state
}

// take takes the first due job.
func (h *house) take() (dueJob, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, j := range h.jobs {
		if !j.at.After(h.now) {
			h.jobs = slices.Delete(h.jobs, i, i+1)
			return j, true
		}
	}
	return dueJob{}, false
}

// settle works what is due until nothing is.
func (h *house) settle() {
	h.Helper()
	for range 5000 {
		j, found := h.take()
		if !found {
			return
		}
		h.work(j)
	}
	h.Fatal("the work never ends")
}

// wait lets time pass, job by job.
func (h *house) wait(d time.Duration) {
	h.Helper()
	h.mu.Lock()
	until := h.now.Add(d)
	h.mu.Unlock()
	for range 5000 {
		h.settle()
		h.mu.Lock()
		next := until
		for _, j := range h.jobs {
			if j.at.Before(next) {
				next = j.at
			}
		}
		h.now = next
		h.mu.Unlock()
		if !next.Before(until) {
			h.settle()
			return
		}
	}
	h.Fatal("the jobs never end")
}

// work does what the queue, the engine and the keeper do with a job. One that fails is done again a second later.
func (h *house) work(j dueJob) {
	h.Helper()
	var err error
	switch j.Kind {
	case pipeline.JobGate:
		err = h.keeper.Work(context.Background(), j.RunID, j.Key)
	case pipeline.JobStage:
		err = h.play(j.StageRunID)
	case pipeline.JobInterrupt:
		err = h.interrupt(j.RunID)
	case pipeline.JobAnnounce:
	}
	if err == nil {
		return
	}
	if errors.Is(err, errCut) {
		h.keeper = h.newKeeper() // the bot was started anew
	}
	if j.tries++; j.tries > 40 {
		h.Fatalf("%s of run %d fails for ever: %v", j.Kind, j.RunID, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	j.at = h.now
	if !errors.Is(err, errCut) {
		j.at = h.now.Add(time.Second)
	}
	h.jobs = append(h.jobs, j)
}

// play carries out a ready attempt. One whose play is open keeps running.
func (h *house) play(id int64) error {
	run, err := h.db.RunOfStage(context.Background(), id)
	if err != nil {
		return err
	}
	s := run.Stage(id)
	if s.Status != pipeline.StatusReady {
		return nil
	}
	phase := pipeline.PhaseNone
	run, err = h.change(context.Background(), run.ID, func(r *pipeline.Run) ([]pipeline.Job, error) {
		s := r.Stage(id)
		if s.Status != pipeline.StatusReady {
			return nil, nil
		}
		if s.Spec.Steps != pipeline.OneStep && s.Phase == pipeline.PhaseNone {
			s.Phase = pipeline.PhasePrepare
		}
		phase = s.Phase
		err := s.Move(pipeline.StatusRunning, h.Now())
		return r.Advance(h.Now()), err
	})
	if err != nil {
		return err
	}
	name := s.Spec.Key
	switch phase {
	case pipeline.PhasePrepare:
		name += " prepares"
	case pipeline.PhaseRestore:
		name += " restores"
	case pipeline.PhaseNone, pipeline.PhaseApply:
	}
	h.mu.Lock()
	result, scripted := h.plays[name]
	h.started = append(h.started, fmt.Sprintf("#%d %s", run.Number, name))
	h.mu.Unlock()
	if !scripted {
		result = pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusSuccess, Title: "done"}}
	}
	if result.Verdict.Status == pipeline.StatusRunning {
		return nil
	}
	return h.conclude(run.ID, s.Spec.Key, result)
}

func (h *house) conclude(run int64, key string, result pipeline.Result) error {
	_, err := h.change(context.Background(), run, func(r *pipeline.Run) ([]pipeline.Job, error) {
		for _, s := range r.Current() {
			if s.Spec.Key == key && s.Status == pipeline.StatusRunning {
				return r.Conclude(s.ID, result, h.Now())
			}
		}
		return nil, nil
	})
	return err
}

// interrupt lets what was asked to stop stop.
func (h *house) interrupt(run int64) error {
	for _, s := range h.load(run).Current() {
		if s.Status == pipeline.StatusRunning && s.Cancel != "" {
			if err := h.conclude(run, s.Spec.Key, pipeline.Result{Verdict: pipeline.Verdict{Status: pipeline.StatusCancelled, Title: "interrupted"}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// script says how a stage ends; running: it does not.
func (h *house) script(name string, status pipeline.Status, parts ...pipeline.Part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plays[name] = pipeline.Result{Verdict: pipeline.Verdict{Status: status, Title: string(status)}, Parts: parts}
}

// over ends a stage that is running.
func (h *house) over(run int64, key string, status pipeline.Status) {
	h.Helper()
	if err := h.conclude(run, key, pipeline.Result{Verdict: pipeline.Verdict{Status: status, Title: string(status)}}); err != nil {
		h.Fatal(err)
	}
	h.settle()
}

func word(by, cause string) Word { return Word{By: by, Via: "comment", Cause: cause} }

// approve is what the desk does with /approve; it says why it is refused.
func (h *house) approve(run int64, by string) string {
	h.Helper()
	ballot, err := h.keeper.Ballot(context.Background(), h.load(run), "production", by)
	if err != nil {
		return err.Error()
	}
	if ballot.No != nil {
		return ballot.No.Why
	}
	if err := h.keeper.Approve(context.Background(), run, "production", ballot.Fingerprint, word(by, "c-"+by+"-"+ballot.Fingerprint[:6])); err != nil {
		return err.Error()
	}
	return ""
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// told is a run in one line.
func (h *house) told(id int64) string {
	h.Helper()
	run := h.load(id)
	var parts []string
	for _, s := range run.Current() {
		parts = append(parts, s.Spec.ID+"="+string(s.Status))
	}
	for _, e := range run.Entries {
		part := "[" + e.Environment + " " + string(e.State)
		if e.Release > 0 {
			part += fmt.Sprintf(" release %d", e.Release)
		}
		switch {
		case e.Hold != nil:
			part += ": " + e.Hold.Title
		case e.Reason != "":
			part += ": " + e.Reason
		}
		parts = append(parts, part+"]")
	}
	return strings.Join(append(parts, string(run.Status)), " ")
}

func (h *house) want(id int64, want string) {
	h.Helper()
	if diff := gocmp.Diff(want, h.told(id)); diff != "" {
		h.Errorf("run %d:\n%s", id, diff)
	}
}

// wantFree holds that nothing is in or before production, and which release it runs.
func (h *house) wantFree(release int64) {
	h.Helper()
	if s := h.state(); s.Holder != nil || len(s.Queue) > 0 || s.Release != release {
		h.Errorf("production: %+v, want it free with release %d", s, release)
	}
}

// audited are the records, oldest first.
func (h *house) audited() []string {
	h.Helper()
	var all []string
	h.must(h.db.EachRecord(context.Background(), pipeline.AuditFilter{RepositoryID: h.repo.ID}, func(r pipeline.AuditRecord) error {
		all = append(all, fmt.Sprintf("#%d %s %s %s %v: %s", r.RunNumber, r.Actor, r.Action, r.Environment, r.Allowed, r.Why))
		return nil
	}))
	return all
}

func (h *house) wantAudit(want ...string) {
	h.Helper()
	if diff := gocmp.Diff(want, h.audited()); diff != "" {
		h.Errorf("audit:\n%s", diff)
	}
}
