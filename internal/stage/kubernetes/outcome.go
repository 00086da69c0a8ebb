package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// clearing bounds what is done after a rollout that failed or was cut off.
const clearing = time.Minute

// namespaceOutput tells the stages that follow where the application is.
const namespaceOutput = "kubernetes-namespace"

// done is the end of a rollout that succeeded.
func (d *deploy) done(r *rollout) pipeline.Verdict {
	d.s.Section(r.section("Applied"))
	d.s.Output(namespaceOutput, d.namespace)
	changed := 0
	for _, a := range r.applied {
		if a.what != "unchanged" {
			changed++
		}
	}
	title := fmt.Sprintf("%s applied, %d changed, ready in %s", report.Count(len(r.applied), "object"), changed, report.Duration(d.now().Sub(r.began)))
	if len(r.deleted) > 0 {
		title += fmt.Sprintf(", %d deleted", len(r.deleted))
	}
	if d.rollback() {
		title = fmt.Sprintf("Release %d runs again: %s", d.task.Restores.Number, title)
	}
	return pipeline.Verdict{Status: pipeline.StatusSuccess, Title: title}
}

// section lists what was applied.
func (r *rollout) section(title string) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Object"}, {Name: "What"}, {Name: "Ready after", Right: true}}}
	for _, a := range r.applied {
		ready := ""
		if a.ready > 0 {
			ready = report.Duration(a.ready)
		}
		table.Rows = append(table.Rows, []string{a.in(r.namespace), a.what, ready})
	}
	for _, k := range r.deleted {
		table.Rows = append(table.Rows, []string{k.in(r.namespace), "deleted", ""})
	}
	s := pipeline.Section{Title: title, Table: &table}
	if len(table.Rows) == 0 {
		s.Table, s.Text = nil, "Nothing was applied."
	}
	return s
}

// failed is the end of a rollout that did not succeed: why, what was applied, and what was done about it.
func (d *deploy) failed(ctx context.Context, r *rollout, err error) (pipeline.Verdict, error) {
	wanted := d.objects
	if ctx.Err() != nil {
		d.s.Section(r.section("Applied before it was stopped"))
		letGo := d.letGo(ctx, r)
		return pipeline.Verdict{Status: pipeline.StatusFailure, Cause: r.progress(len(wanted)) + letGo}, nil //nolint:nilerr // the verdict is of a rollout that was stopped, and whoever stopped it says why
	}
	verdict := d.verdictOfFailure(ctx, err)
	if verdict.Status == "" {
		d.letGo(ctx, r)
		return verdict, err
	}
	d.s.Section(r.section("Applied before it failed"))
	verdict.Cause += " " + r.progress(len(wanted))
	if !d.settings.RollbackOnFailure || len(r.applied) == 0 || d.rollback() {
		verdict.Cause += d.letGo(ctx, r)
		return verdict, nil
	}
	outcome, back := "", false
	err = d.watched(ctx, r.list, func(ctx context.Context) error {
		outcome, back = d.goBack(ctx, r, "the rollout failed")
		return nil
	})
	if err != nil {
		outcome = plainError(err)
	}
	verdict.Cause += " " + outcome + d.letGo(ctx, r)
	if back {
		verdict.Title = fmt.Sprintf("ROLLED BACK to release %d: %s", d.task.Current.Number, verdict.Title)
	} else {
		verdict.Title = "NOT rolled back: " + verdict.Title
	}
	d.s.Section(pipeline.Section{Title: "Rollback", Text: outcome})
	return verdict, nil
}

// progress says how far a rollout came.
func (r *rollout) progress(all int) string {
	if len(r.applied) == 0 {
		return "Nothing was applied."
	}
	return fmt.Sprintf("%d of %s had been applied.", len(r.applied), report.Count(all, "object"))
}

// letGo gives the inventory back, also of a rollout whose time is up. That it could not is told: the next deploy then waits for
// a while.
func (d *deploy) letGo(ctx context.Context, r *rollout) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	if err := r.list.release(ctx); err != nil && !errors.Is(err, errTakenOver) {
		d.s.Log("The inventory still shows this deploy as going on: " + err.Error())
		return " The next deploy waits some seconds before it takes over."
	}
	return ""
}

// verdictOfFailure shows why a rollout failed. The zero verdict: the error is our own trouble.
func (d *deploy) verdictOfFailure(ctx context.Context, err error) pipeline.Verdict {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearing)
	defer cancel()
	failed, is := errors.AsType[*rolloutError](err)
	if !is {
		verdict, _ := verdictOf(d.s, err)
		return verdict
	}
	d.s.Log(failed.Error())
	d.s.Section(failed.section(d.namespace))
	d.showLogs(ctx, failed)
	d.showEvents(ctx, failed)
	return pipeline.Verdict{Status: pipeline.StatusFailure, Title: failed.title(), Cause: strings.TrimSuffix(failed.Error(), ".") + "."}
}

// section is what went wrong, the most telling first.
func (e *rolloutError) section(namespace string) pipeline.Section {
	table := pipeline.Table{Columns: []pipeline.Column{{Name: "Cause"}, {Name: "Where"}, {Name: "What"}}}
	const shown = 10
	for _, t := range e.troubles[:min(len(e.troubles), shown)] {
		where := t.where()
		if where == "" {
			where = e.object.in(namespace)
		}
		table.Rows = append(table.Rows, []string{t.kind, where, t.text})
	}
	s := pipeline.Section{Title: "What went wrong", Table: &table, Text: e.object.in(namespace) + ": " + e.state}
	if len(table.Rows) == 0 {
		s.Table = nil
	}
	if len(e.others) > 0 {
		names := make([]string, len(e.others))
		for i, k := range e.others {
			names[i] = k.in(namespace)
		}
		s.Text += "\n\nAlso not ready: " + strings.Join(names, ", ") + "."
	}
	return s
}

const (
	lastLines   = 40
	loggedPods  = 5
	shownEvents = 30
)

// showLogs shows the last lines of the containers in trouble, and keeps more of them.
func (d *deploy) showLogs(ctx context.Context, failed *rolloutError) {
	done := make(map[string]bool)
	for _, t := range failed.troubles {
		id := t.pod + "/" + t.container
		if !t.logs || done[id] || len(done) == loggedPods {
			continue
		}
		done[id] = true
		text, err := d.world.Logs(ctx, failed.object.namespace, t.pod, t.container, true)
		if err != nil { // it has not ended yet, or what it said is gone
			text, err = d.world.Logs(ctx, failed.object.namespace, t.pod, t.container, false)
		}
		if err != nil {
			d.s.Log("The logs of " + id + " could not be read: " + err.Error())
			continue
		}
		tail := lastOf(text, lastLines)
		if tail == "" {
			tail = "(it wrote nothing)"
		}
		d.s.Section(pipeline.Section{Title: "Last lines of " + t.container + " (" + t.pod + ")", Code: tail})
		d.s.Log("Last lines of " + id + ":\n" + tail)
		d.keepText("logs/"+t.pod+"-"+t.container+".log", text)
	}
}

func lastOf(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// showEvents shows what the cluster did about the object and its pods.
func (d *deploy) showEvents(ctx context.Context, failed *rolloutError) {
	events, err := d.world.Events(ctx, failed.object.namespace)
	if err != nil {
		d.s.Log("The events could not be read: " + err.Error())
		return
	}
	d.keepText("events.txt", cluster.EventLines(events))
	about := events[:0:0]
	for _, e := range events {
		name := e.InvolvedObject.Name
		if name == failed.object.name || strings.HasPrefix(name, failed.object.name+"-") {
			about = append(about, e)
		}
	}
	if len(about) > 0 {
		d.s.Section(pipeline.Section{Title: "Events", Code: cluster.EventLines(about[max(0, len(about)-shownEvents):]), Folded: true})
	}
}

// keepText keeps a file that helps people; that it could not be kept does not change how the stage went.
func (d *deploy) keepText(name, text string) {
	if text == "" {
		return
	}
	if err := d.artifact(name, []byte(text)); err != nil {
		d.s.Log(err.Error())
	}
}
