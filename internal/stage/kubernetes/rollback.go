package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// encodedData are all values of a Secret as the API server keeps them.
func encodedData(u *unstructured.Unstructured) map[string]any {
	out := maps.Clone(nested(u.Object, "data"))
	if out == nil {
		out = make(map[string]any)
	}
	for name, value := range nested(u.Object, "stringData") {
		out[name] = base64.StdEncoding.EncodeToString([]byte(textOf(value)))
	}
	return out
}

// readRelease takes the manifests that the release recorded; nothing is rendered anew.
func (d *deploy) readRelease() (string, error) {
	r := d.task.Restores
	objects, why, err := d.released(*r, d.releaseFile())
	if err != nil {
		return "", err
	}
	if why != "" {
		return "", failf("The release cannot be brought back", "Release %d of %s %s. Deploy the commit %s again instead.", r.Number, r.Environment, why, r.Commit)
	}
	d.objects = objects
	return fmt.Sprintf("%s recorded by release %d", report.Count(len(objects), "object"), r.Number), nil
}

// currentObjects are those of the release that the environment runs.
func (d *deploy) currentObjects() ([]*object, error) {
	current := d.task.Current
	objects, why, err := d.released(*current, pipeline.CurrentFiles+d.releaseFile())
	if err == nil && why != "" {
		err = failf("No manifests to go back to", "release %d %s", current.Number, why)
	}
	return objects, err
}

// released are the objects of a release, exactly as they were applied; why there are none is the end of a sentence.
func (d *deploy) released(r pipeline.Release, file string) (objects []*object, why string, err error) {
	text, found := d.s.File(file)
	if !found && slices.Contains(r.Files, d.releaseFile()) {
		return nil, "recorded manifests that cannot be decrypted: they are damaged, or private.key of the data folder was lost", nil
	}
	if !found {
		return nil, "recorded no manifests of the stage " + d.task.Stage.Key + ": it was made before the stage was there, or under another name", nil
	}
	if hashOf(text) != r.Part(pipeline.PartManifests, d.task.Stage.Key) {
		return nil, "recorded other manifests than were deployed then: the record is damaged", nil
	}
	objects, err = recorded(text)
	return objects, "", err
}

// bringBack is the whole attempt of a deploy whose rollout succeeded, and after which something else has failed. The deploy
// has failed either way.
func (d *deploy) bringBack(ctx context.Context) (pipeline.Verdict, error) {
	outcome, back, err := d.bringBackCurrent(ctx)
	verdict := pipeline.Verdict{Status: pipeline.StatusFailure}
	switch told, is := verdictOf(d.s, err); {
	case is:
		verdict, outcome = told, told.Cause
		verdict.Title = "NOT rolled back: " + told.Title
	case err != nil && ctx.Err() == nil:
		return pipeline.Verdict{}, err
	case err != nil:
		verdict.Title, outcome = "NOT rolled back: it was stopped", "Bringing back what ran before was stopped: "+context.Cause(ctx).Error()+"."
	case back:
		verdict.Title = fmt.Sprintf("ROLLED BACK to release %d: %s", d.task.Current.Number, d.task.Because)
	default:
		verdict.Title = "NOT rolled back: " + d.task.Because
	}
	verdict.Cause = fmt.Sprintf("The rollout itself had succeeded, then %s. %s", d.task.Because, outcome)
	d.s.Section(pipeline.Section{Title: "Rollback", Text: outcome})
	return verdict, nil
}

// bringBackCurrent applies what the environment ran before, where there is something.
func (d *deploy) bringBackCurrent(ctx context.Context) (outcome string, back bool, err error) {
	if d.task.Current == nil {
		return noEarlier, false, nil
	}
	if err := d.connect(ctx); err != nil {
		return "", false, err
	}
	if d.objects, err = d.currentObjects(); err != nil {
		return "", false, err
	}
	d.setHome()
	list := d.inventory()
	run := &rollout{deploy: d, list: list, objects: d.objects, take: true, began: d.now()}
	if _, err := d.enter(ctx, list); err != nil {
		return "", false, err
	}
	err = d.watched(ctx, list, func(ctx context.Context) error {
		outcome, back = d.goBack(ctx, run, d.task.Because)
		return context.Cause(ctx)
	})
	outcome += d.letGo(ctx, run)
	d.s.Section(run.section("Applied"))
	return outcome, back, err
}

const noEarlier = "There is no earlier release to go back to."

// goBack brings back the release that the environment ran before. What it says goes into the verdict of the failed deploy.
func (d *deploy) goBack(ctx context.Context, run *rollout, because string) (outcome string, back bool) {
	current := d.task.Current
	if current == nil {
		return noEarlier, false
	}
	d.s.Log(fmt.Sprintf("ROLLING BACK: release %d is brought back, because %s and `rollback-on-failure` is on.", current.Number, because))
	var detail string
	err := d.s.Step(ctx, fmt.Sprintf("Roll back to release %d", current.Number), func(ctx context.Context) (string, error) {
		objects, err := d.currentObjects()
		if err != nil {
			return "", err
		}
		again := *run
		again.objects, again.take, again.applied, again.quiet = objects, true, nil, true
		err = again.all(ctx)
		run.applied, run.deleted = append(run.applied, again.applied...), append(run.deleted, again.deleted...)
		if err != nil {
			return "", err
		}
		detail = fmt.Sprintf("release %d runs again", current.Number)
		return detail, nil
	})
	if err != nil {
		return fmt.Sprintf("Going back to release %d failed too: %s", current.Number, plainError(err)), false
	}
	return fmt.Sprintf("The environment was rolled back to release %d (commit %s), which runs again.", current.Number, current.Commit[:min(12, len(current.Commit))]), true
}

// plainError is an error as the end of a sentence.
func plainError(err error) string {
	if failed, is := errors.AsType[*rolloutError](err); is {
		return failed.Error() + "."
	}
	return err.Error()
}
