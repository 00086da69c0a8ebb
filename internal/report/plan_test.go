package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/internal/golden"
)

// realPlan is what Terraform 1.11 says of a plan that destroys, replaces, moves and updates.
func realPlan(t *testing.T, edit ...func(map[string]any)) Plan {
	t.Helper()
	text, err := io.ReadAll(open(t, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(edit) > 0 {
		var document map[string]any
		if err := json.Unmarshal(text, &document); err != nil {
			t.Fatal(err)
		}
		for _, change := range edit {
			change(document)
		}
		if text, err = json.Marshal(document); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := ReadPlan(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// changeOf finds a resource of a plan's document.
func changeOf(document map[string]any, address string) map[string]any {
	for _, c := range document["resource_changes"].([]any) {
		if c := c.(map[string]any); c["address"] == address {
			return c
		}
	}
	return nil
}

// inAWS makes some resources ones of AWS, whose provider tests cannot have.
func inAWS(document map[string]any) {
	for address, kind := range map[string]string{"terraform_data.database": "aws_db_instance", "terraform_data.web[2]": "aws_eks_cluster"} {
		c := changeOf(document, address)
		c["type"], c["address"] = kind, strings.Replace(address, "terraform_data", kind, 1)
	}
}

func TestReadPlan(t *testing.T) {
	plan := realPlan(t)
	if got, want := plan.Counts(), (Counts{Add: 3, Change: 1, Destroy: 4, Replace: 2}); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	if want := "3 to add, 1 to change, 4 to destroy (2 replaced)"; plan.Title() != want {
		t.Errorf("title = %q", plan.Title())
	}
	if want := "the plan destroys 2 resources and replaces 2 resources"; plan.Danger() != want {
		t.Errorf("danger = %q", plan.Danger())
	}
	if plan.Unchanged != 2 || plan.Version != "1.11.4" || plan.Empty() {
		t.Errorf("plan = %+v", plan)
	}
	if got := plan.Sensitive.Values(); !slices.Equal(got, []string{"correct-horse-battery"}) || plan.Sensitive.Many {
		t.Errorf("sensitive = %q", got)
	}
	for _, o := range plan.Outputs {
		if o.Name == "endpoint" && (!o.Known || o.Text() != "db-16.example.com") || o.Name == "password" && (o.Known || !o.Sensitive) {
			t.Errorf("output %+v", o)
		}
	}
}

func TestPlanSections(t *testing.T) {
	plan := realPlan(t, inAWS, func(document map[string]any) {
		document["resource_drift"] = []any{
			map[string]any{"address": "aws_s3_bucket.assets", "type": "aws_s3_bucket", "mode": "managed", "change": map[string]any{
				"actions": []string{"update"}, "before": map[string]any{"tags": map[string]any{}, "acl": "private"},
				"after": map[string]any{"tags": map[string]any{"a": "b"}, "acl": "public-read"},
			}},
			map[string]any{"address": "aws_instance.gone", "type": "aws_instance", "mode": "managed", "change": map[string]any{
				"actions": []string{"delete"}, "before": map[string]any{"id": "i-1"}, "after": nil,
			}},
		}
	})
	if want := "3 to add, 1 to change, 4 to destroy (2 replaced); destroys the database aws_db_instance.database and the cluster aws_eks_cluster.web[2]"; plan.Title() != want {
		t.Errorf("title = %q", plan.Title())
	}
	sections := plan.Sections()
	golden.EqualJSON(t, "testdata/plan.golden.json", sections)
	text, err := json.Marshal(sections)
	if err != nil || bytes.Contains(text, []byte("correct-horse")) {
		t.Errorf("a sensitive value is shown (%v)", err)
	}
}

func TestPlanWithoutChanges(t *testing.T) {
	quiet := func(document map[string]any) {
		document["resource_changes"] = []any{}
		document["output_changes"] = map[string]any{}
	}
	if plan := realPlan(t, quiet); !plan.Empty() || plan.Title() != "No changes" || plan.Danger() != "" {
		t.Errorf("%q", plan.Title())
	}
	drifted := func(document map[string]any) {
		document["resource_drift"] = []any{map[string]any{"address": "a.b", "change": map[string]any{"actions": []string{"delete"}}}}
	}
	if plan := realPlan(t, quiet, drifted); plan.Title() != "No changes; 1 resource was changed outside of Terraform" {
		t.Errorf("%q", plan.Title())
	}
	outputs := func(document map[string]any) { document["resource_changes"] = []any{} }
	if plan := realPlan(t, outputs); plan.Empty() || plan.Title() != "Only outputs change" {
		t.Errorf("%q", plan.Title())
	}
}

// What changes the plan changes its hash; what does not, leaves it alone; and no sensitive value is in it.
func TestPlanHash(t *testing.T) {
	hash := realPlan(t).Hash
	after := func(document map[string]any) map[string]any {
		return changeOf(document, `module.network.terraform_data.subnets["a"]`)["change"].(map[string]any)["after"].(map[string]any)
	}
	for name, test := range map[string]struct {
		edit func(map[string]any)
		same bool
	}{
		"nothing":       {func(map[string]any) {}, true},
		"the time":      {func(d map[string]any) { d["timestamp"] = "2030-01-01T00:00:00Z" }, true},
		"what it reads": {func(d map[string]any) { d["prior_state"] = nil }, true},
		"a value":       {func(d map[string]any) { after(d)["input"] = "10.2.0.0/16-a" }, false},
		"an action": {func(d map[string]any) {
			changeOf(d, "terraform_data.web[2]")["change"].(map[string]any)["actions"] = []any{"forget"}
		}, false},
		"an address": {func(d map[string]any) { changeOf(d, "terraform_data.web[2]")["address"] = "terraform_data.web[3]" }, false},
		"an output": {func(d map[string]any) {
			d["output_changes"].(map[string]any)["endpoint"].(map[string]any)["after"] = "x"
		}, false},
		"the configuration": {func(d map[string]any) { d["configuration"].(map[string]any)["extra"] = 1 }, false},
		"an order of replace": {func(d map[string]any) {
			changeOf(d, "terraform_data.database")["change"].(map[string]any)["actions"] = []any{"create", "delete"}
		}, false},
		"a sensitive value": {func(d map[string]any) {
			changeOf(d, "terraform_data.database")["change"].(map[string]any)["after"].(map[string]any)["input"].(map[string]any)["password"] = "another-one"
		}, true},
	} {
		// An edited document is written anew, so that it is compared with one that was, too.
		unedited := realPlan(t, func(map[string]any) {}).Hash
		if got := realPlan(t, test.edit).Hash; (got == unedited) != test.same {
			t.Errorf("%s: the hash is the same: %v", name, got == unedited)
		}
	}
	if hash == "" || hash != realPlan(t).Hash {
		t.Error("the hash of one plan is not one value")
	}
}

func TestSensitiveValues(t *testing.T) {
	var s Sensitive
	s.add(map[string]any{
		"plain": "seen by all", "user": map[string]any{"name": "alice", "password": "first-secret"}, "list": []any{"open", "second-secret"},
		"all": map[string]any{"deep": []any{"third-secret", json.Number("123456")}}, "short": "abc", "word": "true",
	}, map[string]any{
		"user": map[string]any{"password": true}, "list": []any{false, true}, "all": true, "short": true, "word": true, "absent": true,
	})
	if got, want := s.Values(), []string{"123456", "first-secret", "second-secret", "third-secret"}; !slices.Equal(got, want) {
		t.Errorf("values = %q", got)
	}
	for i := range maxSensitive {
		s.keep(fmt.Sprintf("value-%d", i))
	}
	if !s.Many || len(s.Values()) != maxSensitive {
		t.Errorf("%d values, many: %v", len(s.Values()), s.Many)
	}
}

// manyResources writes the plan of n resources as it is read, so that nobody holds it whole.
func manyResources(n, size int) io.Reader {
	read, write := io.Pipe()
	go func() {
		_, err := io.WriteString(write, `{"format_version":"1.2","terraform_version":"1.11.4","planned_values":{"outputs":{}},"resource_changes":[`)
		value := strings.Repeat("x", size)
		for i := 0; i < n && err == nil; i++ {
			comma := ","
			if i == 0 {
				comma = ""
			}
			action := []string{`"create"`, `"delete"`, `"update"`}[i%3]
			_, err = fmt.Fprintf(write, `%s{"address":"terraform_data.x[%d]","mode":"managed","type":"terraform_data","change":{"actions":[%s],"before":{"a":"%s"},"after":{"a":"y%s"}}}`,
				comma, i, action, value, value)
		}
		if err == nil {
			_, err = io.WriteString(write, `],"output_changes":{},"configuration":{"root_module":{}}}`)
		}
		_ = write.CloseWithError(err)
	}()
	return read
}

func TestPlanOfManyResources(t *testing.T) {
	plan, err := ReadPlan(manyResources(6000, 2000))
	if err != nil {
		t.Fatal(err)
	}
	if got := plan.Counts(); got != (Counts{Add: 2000, Change: 2000, Destroy: 2000}) {
		t.Errorf("counts = %+v", got)
	}
	text, err := json.Marshal(plan.Sections())
	if err != nil || len(text) > 64<<10 {
		t.Errorf("the summary has %d bytes (%v)", len(text), err)
	}
	tree := plan.Sections()[2]
	if lines := strings.Split(tree.Code, "\n"); len(lines) != shownChanges || !strings.HasPrefix(lines[0], "  - ") || !strings.Contains(tree.Text, "300 of 6000") {
		t.Errorf("the tree: %q, %d lines", tree.Text, len(lines))
	}
}

func TestPlansThatAreRefused(t *testing.T) {
	if _, err := ReadPlan(manyResources(maxChanges+10, 1)); err == nil || !strings.Contains(err.Error(), "more than 50000 resources") {
		t.Errorf("error = %v", err)
	}
	huge := io.MultiReader(strings.NewReader(`{"format_version":"1.2","prior_state":"`), endless{"x"})
	if _, err := readPlan(huge, 1<<20); !errors.Is(err, ErrPlanTooLarge) {
		t.Errorf("error = %v", err)
	}
	for name, text := range map[string]string{
		"nothing": "", "half a plan": `{"format_version":"1.2","resource_changes":[{`, "another document": `{"a":1}`, "a list": `[]`,
		"a future version": `{"format_version":"2.0"}`, "a wrong type": `{"format_version":"1.2","resource_changes":{}}`,
	} {
		if plan, err := ReadPlan(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, plan)
		}
	}
}

func FuzzReadPlan(f *testing.F) {
	seed(f, "plan.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		plan, err := ReadPlan(bytes.NewReader(text))
		if err != nil {
			return
		}
		_, _ = plan.Title(), plan.Danger()
		for _, section := range plan.Sections() {
			for line := range strings.Lines(section.Code) {
				if len(line) > 16*maxName {
					t.Errorf("a line of %d bytes", len(line))
				}
			}
		}
	})
}

// Numbers that are sensitive are masked as texts are; what is too short to be masked, in characters, is let go.
func TestSensitiveNumbersAndShortTexts(t *testing.T) {
	plan, err := ReadPlan(strings.NewReader(`{"format_version":"1.2","resource_changes":[{"address":"a.b","mode":"managed","type":"a","name":"b","change":{"actions":["create"],"before":null,` +
		`"after":{"pin":123456,"rate":0.25,"short":42,"text":"äöü","longer":"äöüß","open":987654},` +
		`"after_sensitive":{"pin":true,"rate":true,"short":true,"text":true,"longer":true}}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"0.25", "123456", "äöüß"}, plan.Sensitive.Values()); diff != "" {
		t.Error(diff)
	}
	var output Sensitive
	output.AddJSON(json.RawMessage(`{"pins":[8675309, 12345678901234567890, 7],"ok":true}`))
	if diff := cmp.Diff([]string{"12345678901234567890", "8675309"}, output.Values()); diff != "" {
		t.Error(diff)
	}
}
