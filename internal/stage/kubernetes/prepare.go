package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/pipeline"
	"github.com/slipwayhq/slipway/internal/report"
)

// prepare makes the exact manifests, shows what they would change, and fixes them as part of the candidate.
func (d *deploy) prepare(ctx context.Context) (pipeline.Verdict, error) {
	unreached := d.connect(ctx)
	if unreached != nil && ctx.Err() != nil {
		return pipeline.Verdict{}, unreached
	}
	if unreached != nil && !d.proposed() {
		return pipeline.Verdict{}, unreached
	}
	if err := d.s.Step(ctx, "Read the manifests", func(context.Context) (string, error) { return d.readAll() }); err != nil {
		return pipeline.Verdict{}, err
	}
	d.setHome()
	if err := d.keep(); err != nil {
		return pipeline.Verdict{}, err
	}
	if unreached != nil {
		return d.unseen(unreached)
	}
	seen, err := d.look(ctx)
	if err != nil {
		if p, is := errors.AsType[*cluster.Problem](err); is && d.proposed() && ctx.Err() == nil {
			return d.unseen(p)
		}
		return pipeline.Verdict{}, err
	}
	return d.conclude(seen)
}

// unseen is the end of a proposal whose cluster could not be asked: the manifests are fine as far as one can tell.
func (d *deploy) unseen(why error) (pipeline.Verdict, error) {
	p, is := errors.AsType[*cluster.Problem](why)
	if !is {
		return pipeline.Verdict{}, why
	}
	return pipeline.Verdict{
		Status: pipeline.StatusNeutral, Title: report.Count(len(d.objects), "object") + " rendered; not compared: " + p.Title,
		Cause: "The manifests are in order as far as they can be checked without the cluster. " + p.Cause,
	}, nil
}

// readAll makes the objects: of the commit, or of the release that is brought back.
func (d *deploy) readAll() (string, error) {
	if d.rollback() {
		return d.readRelease()
	}
	objects, detail, err := d.render()
	d.objects = objects
	return detail, err
}

// render makes the objects of the commit.
func (d *deploy) render() ([]*object, string, error) {
	var server capabilities
	if d.world != nil {
		var err error
		if server, err = d.world.capabilities(); err != nil {
			return nil, "", err
		}
	}
	in, err := read(d.s.Root(), d.settings, server)
	if err != nil {
		return nil, "", err
	}
	findings := lint(in.objects, d.settings.Images)
	var w wrongs
	of := ownScope(in.objects)
	if d.world != nil {
		of = d.world.scope(of)
	}
	setNamespaces(in.objects, d.settings.Namespace, d.fallback(), of, &w)
	setPhases(in.objects, d.settings.Phases, in.roots, &w)
	d.images = replaceImages(in.objects, d.settings.Images, d.task.Images, !d.proposed(), &w)
	d.secrets.check(in.objects, &w)
	for _, f := range findings {
		d.s.Finding(f)
	}
	if section, some := report.FindingsSection("Remarks on the manifests", findings); some {
		section.Folded = true
		d.s.Section(section)
	}
	slices.Sort(in.kinds)
	return in.objects, fmt.Sprintf("%s from %s", report.Count(len(in.objects), "object"), strings.Join(slices.Compact(in.kinds), " and ")), w.err()
}

// maxRecorded is what a release keeps of one stage.
const maxRecorded = 8 << 20

// keep shows people the manifests without the values of Secrets, and where they are to be applied keeps them exactly, for
// the second step and for the release.
func (d *deploy) keep() error {
	text, err := exact(d.objects)
	if err != nil {
		return err
	}
	if len(text) > maxRecorded {
		return failf("The manifests are too large", "The rendered manifests have %d MiB, and a release keeps at most %d.", len(text)>>20, maxRecorded>>20)
	}
	shown, err := public(d.objects)
	if err != nil {
		return err
	}
	d.warnOfSecrets(shown)
	if err := d.artifact("manifests.yaml", shown); err != nil {
		return err
	}
	if d.proposed() {
		return nil // nobody applies them, and what may hold secrets is not kept without need
	}
	return d.s.KeepPrivate(d.releaseFile(), text)
}

// warnOfSecrets tells of values that stand in manifests where everybody can read them.
func (d *deploy) warnOfSecrets(text []byte) {
	for _, name := range d.secrets.named {
		value, set := d.s.Secret(name)
		if set && strings.Contains(string(text), value) {
			d.s.Finding(pipeline.Finding{
				Tool: tool, Rule: "secret-in-manifests", Level: pipeline.LevelWarning, Severity: pipeline.SeverityHigh,
				Title:   "Manifests hold the value of a secret",
				Message: fmt.Sprintf("The value of the secret %s also stands in the manifests as it is, outside of Secrets. Write $(%s) in a Secret, or choose another value if that is by chance.", name, name),
			})
		}
	}
}

// artifact keeps a text as a file of the run.
func (d *deploy) artifact(name string, text []byte) error {
	file, err := os.CreateTemp(d.s.Scratch(), "kept-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // the folder goes with the stage
	if _, err := file.Write(text); err != nil {
		return errors.Join(fmt.Errorf("keep %s: %w", name, err), file.Close())
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return d.s.Artifact(name, filepath.Clean(file.Name()))
}

// look asks the cluster what the manifests would change.
func (d *deploy) look(ctx context.Context) (outlook, error) {
	if err := d.s.Step(ctx, "Check permissions", d.checkRights); err != nil {
		return outlook{}, err
	}
	var seen outlook
	err := d.s.Step(ctx, "Compare with the cluster", func(ctx context.Context) (string, error) {
		c, err := d.comparer(ctx)
		if err != nil {
			return "", err
		}
		if seen.compared, err = c.compareAll(ctx, d.objects, d.take()); err != nil {
			return "", err
		}
		if seen.prune, seen.kept, err = d.inventory().leftovers(ctx, d.objects, inventoryID(d.task)); err != nil {
			return "", err
		}
		return seen.summary(d.settings.Prune), nil
	})
	return seen, err
}

func (d *deploy) checkRights(ctx context.Context) (string, error) {
	rights, err := d.world.rightsFor(d.objects, d.namespace, d.settings)
	if err != nil {
		return "", err
	}
	lacking, err := d.world.missing(ctx, rights)
	if err != nil {
		return "", err
	}
	if len(lacking) == 0 {
		return report.Count(len(rights), "permission") + " given", nil
	}
	d.s.Section(lackSection(lacking))
	verdict := lackVerdict(lacking)
	if d.proposed() {
		return "", &cluster.Problem{Title: verdict.Title, Cause: verdict.Cause}
	}
	return "", &failedError{verdict}
}

// comparer knows the versions of the configuration that goes with the objects.
func (d *deploy) comparer(ctx context.Context) (*comparer, error) {
	c := &comparer{world: d.world, secrets: d.secrets, marks: d.marks, back: d.rollback(), versions: make(map[key]string), own: make(map[key]*object)}
	for _, o := range d.objects {
		c.own[o.key()] = o
		switch {
		case isSecret(o.Unstructured):
			version, err := d.secretVersion(ctx, o)
			if err != nil {
				return nil, err
			}
			c.versions[o.key()] = version
		case o.key() == (key{kind: "ConfigMap", namespace: o.GetNamespace(), name: o.GetName()}):
			c.versions[o.key()] = contentVersion(o.Unstructured)
		}
	}
	return c, nil
}

// secretVersion is the one the live Secret has where this deploy does not change its values, else this run's. It tells
// nothing of the values, not even by a hash that could be tried out.
func (d *deploy) secretVersion(ctx context.Context, o *object) (string, error) {
	filled, err := d.secrets.fill(o.Unstructured)
	if err != nil {
		return "", err
	}
	live, err := d.world.live(ctx, filled)
	if err != nil {
		return "", err
	}
	if live != nil && sameSecret(live, filled) {
		if version := live.GetAnnotations()[versionAnnotation]; version != "" {
			return version, nil
		}
	}
	return fmt.Sprintf("run-%d", d.task.RunNumber), nil
}

// sameSecret reports whether the live Secret has the values of the given one.
func sameSecret(live, given *unstructured.Unstructured) bool {
	have := nested(live.Object, "data")
	want := encodedData(given)
	for name, value := range want {
		if have[name] != value {
			return false
		}
	}
	return len(have) == len(want)
}
