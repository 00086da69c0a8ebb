package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Bounds of a plan. One of 5,000 resources has some 50 MiB of JSON.
const (
	MaxPlanBytes = 512 << 20
	maxChanges   = 50_000
	maxDrift     = 5000
	maxOutputs   = 5000
)

// ErrPlanTooLarge is returned for a plan beyond MaxPlanBytes.
var ErrPlanTooLarge = fmt.Errorf("the plan is larger than %d MiB", MaxPlanBytes>>20)

// PlanAction is what a plan does to a resource.
type PlanAction string

// The actions, the most dangerous first.
const (
	PlanDelete  PlanAction = "delete"
	PlanReplace PlanAction = "replace"
	PlanForget  PlanAction = "forget"
	PlanUpdate  PlanAction = "update"
	PlanCreate  PlanAction = "create"
	// PlanMove changes nothing but the address, PlanImport nothing but that it is known.
	PlanMove   PlanAction = "move"
	PlanImport PlanAction = "import"
)

// Plan is what `terraform show -json` says of a saved plan, without any sensitive value.
type Plan struct {
	Version string
	// Changes are in the plan's order, without the resources that stay as they were.
	Changes []PlanChange
	// Drift are resources that somebody changed outside of Terraform.
	Drift []PlanChange
	// Outputs are in the order of their names; those that stay as they are come with their values, too.
	Outputs []PlanOutput
	// Unchanged counts managed resources that stay as they are.
	Unchanged int
	// Hash tells plans apart: of the changes and the configuration, sensitive values left out.
	Hash string
	// Sensitive are the sensitive values themselves, for nobody but a redactor.
	Sensitive Sensitive
	// Errored: the plan is of use for nothing but to be looked at.
	Errored bool
}

// PlanChange is one resource.
type PlanChange struct {
	Address string
	// Module is the address of its module; empty: the root.
	Module string
	Type   string
	Action PlanAction
	// CreateFirst: the replacement is made before the old one is destroyed.
	CreateFirst bool
	// From is the address it had before.
	From string
	// Imported: it existed before Terraform knew it.
	Imported bool
	// Attributes are the names of those that change, sorted; Forcing those that make a replacement necessary.
	Attributes []string
	Forcing    []string
	// Reason is why, in words; empty: it says nothing the action does not.
	Reason string
	// Deposed is the key of an old object that a replacement left behind.
	Deposed string
}

// PlanOutput is one output of the root module.
type PlanOutput struct {
	Name      string
	Action    PlanAction // empty: it stays as it is
	Sensitive bool
	// Known: Value is what it will be, as JSON; not set for sensitive ones.
	Known bool
	Value json.RawMessage
}

// ReadPlan reads the output of `terraform show -json PLAN`, one resource after the other: a large plan costs no more
// memory than its largest resource.
func ReadPlan(r io.Reader) (Plan, error) { return readPlan(r, MaxPlanBytes) }

func readPlan(r io.Reader, most int64) (Plan, error) {
	limited := &boundedPlan{r: r, left: most}
	decoder := json.NewDecoder(limited)
	decoder.UseNumber()
	reader := planReader{decoder: decoder, sum: sha256.New()}
	if err := reader.read(); err != nil {
		if limited.left < 0 {
			err = ErrPlanTooLarge
		}
		return Plan{}, fmt.Errorf("read the plan: %w", err)
	}
	plan := reader.plan
	slices.SortFunc(plan.Outputs, func(a, b PlanOutput) int { return strings.Compare(a.Name, b.Name) })
	plan.Hash = hex.EncodeToString(reader.sum.Sum(nil))
	return plan, nil
}

type boundedPlan struct {
	r    io.Reader
	left int64
}

func (b *boundedPlan) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrPlanTooLarge
	}
	return n, err
}

type planReader struct {
	decoder *json.Decoder
	plan    Plan
	sum     hash.Hash
	// variables wait until the configuration tells which are sensitive.
	variables map[string]any
	versioned bool
}

func (r *planReader) read() error {
	if err := r.delimiter('{'); err != nil {
		return err
	}
	for r.decoder.More() {
		key, err := r.key()
		if err != nil {
			return err
		}
		if err := r.section(key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if err := r.delimiter('}'); err != nil {
		return err
	}
	if !r.versioned {
		return errors.New("it has no format_version, so it is no plan")
	}
	return nil
}

func (r *planReader) section(key string) error {
	switch key {
	case "format_version":
		return r.format()
	case "terraform_version":
		return r.decoder.Decode(&r.plan.Version)
	case "errored":
		return r.decoder.Decode(&r.plan.Errored)
	case "resource_changes":
		return r.list(r.change)
	case "resource_drift":
		return r.list(r.drift)
	case "output_changes":
		return r.outputs()
	case "variables":
		return r.readVariables()
	case "configuration":
		return r.configuration()
	default:
		return r.skip()
	}
}

func (r *planReader) format() error {
	var version string
	if err := r.decoder.Decode(&version); err != nil {
		return err
	}
	r.versioned = true
	return (&tfjson.Plan{FormatVersion: version}).Validate()
}

// list calls one for each element of an array.
func (r *planReader) list(one func() error) error {
	token, err := r.decoder.Token()
	if err != nil || token == nil { // null
		return err
	}
	if token != json.Delim('[') {
		return fmt.Errorf("%v instead of a list", token)
	}
	for r.decoder.More() {
		if err := one(); err != nil {
			return err
		}
	}
	return r.delimiter(']')
}

func (r *planReader) change() error {
	var c tfjson.ResourceChange
	if err := r.decoder.Decode(&c); err != nil {
		return err
	}
	if c.Change == nil {
		return nil
	}
	r.plan.Sensitive.collect(c.Change)
	r.hash(c)
	if c.Mode == tfjson.DataResourceMode {
		return nil
	}
	change, changes := planChange(c)
	switch {
	case !changes:
		r.plan.Unchanged++
	case len(r.plan.Changes) < maxChanges:
		r.plan.Changes = append(r.plan.Changes, change)
	default:
		return fmt.Errorf("more than %d resources change", maxChanges)
	}
	return nil
}

func (r *planReader) drift() error {
	var c tfjson.ResourceChange
	if err := r.decoder.Decode(&c); err != nil {
		return err
	}
	if c.Change == nil {
		return nil
	}
	r.plan.Sensitive.collect(c.Change)
	change, changes := planChange(c)
	if changes && change.Action != PlanMove && len(r.plan.Drift) < maxDrift {
		change.Reason = ""
		r.plan.Drift = append(r.plan.Drift, change)
	}
	return nil
}

func (r *planReader) outputs() error {
	return r.object(func(name string) error {
		var c tfjson.Change
		if err := r.decoder.Decode(&c); err != nil {
			return err
		}
		r.plan.Sensitive.collect(&c)
		output := PlanOutput{Name: name, Sensitive: anyMarked(c.BeforeSensitive) || anyMarked(c.AfterSensitive)}
		output.Action = outputAction(c.Actions)
		if !output.Sensitive && !anyMarked(c.AfterUnknown) && output.Action != PlanDelete {
			value, err := json.Marshal(c.After)
			if err != nil {
				return err
			}
			output.Known, output.Value = true, value
		}
		r.hash(struct {
			Output  string
			Action  PlanAction
			Value   json.RawMessage
			Unknown any
		}{name, output.Action, output.Value, c.AfterUnknown})
		if len(r.plan.Outputs) < maxOutputs {
			r.plan.Outputs = append(r.plan.Outputs, output)
		}
		return nil
	})
}

func (r *planReader) readVariables() error {
	r.variables = make(map[string]any)
	return r.object(func(name string) error {
		var v tfjson.PlanVariable
		if err := r.decoder.Decode(&v); err != nil {
			return err
		}
		r.variables[name] = v.Value
		return nil
	})
}

// configuration is hashed as it stands: it holds expressions, and values only where they are written in the files.
func (r *planReader) configuration() error {
	var text json.RawMessage
	if err := r.decoder.Decode(&text); err != nil {
		return err
	}
	var config struct {
		RootModule struct {
			Variables map[string]struct {
				Sensitive bool `json:"sensitive"`
			} `json:"variables"`
		} `json:"root_module"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	for name, variable := range config.RootModule.Variables {
		if variable.Sensitive {
			r.plan.Sensitive.add(r.variables[name], true)
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return err
	}
	r.sum.Write(compact.Bytes())
	return nil
}

// object calls one for each key of an object, which must read its value.
func (r *planReader) object(one func(key string) error) error {
	token, err := r.decoder.Token()
	if err != nil || token == nil { // null
		return err
	}
	if token != json.Delim('{') {
		return fmt.Errorf("%v instead of an object", token)
	}
	for r.decoder.More() {
		key, err := r.key()
		if err != nil {
			return err
		}
		if err := one(key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return r.delimiter('}')
}

func (r *planReader) key() (string, error) {
	token, err := r.decoder.Token()
	if err != nil {
		return "", err
	}
	key, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%v instead of a key", token)
	}
	return key, nil
}

func (r *planReader) delimiter(want json.Delim) error {
	token, err := r.decoder.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%v instead of %v", token, want)
	}
	return nil
}

// skip reads a value away, one token after the other.
func (r *planReader) skip() error {
	for depth := 0; ; {
		token, err := r.decoder.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// hash adds a value to what tells plans apart. Go writes the keys of maps sorted.
func (r *planReader) hash(value any) {
	if c, ok := value.(tfjson.ResourceChange); ok {
		value = hashable(c)
	}
	text, err := json.Marshal(value)
	if err != nil {
		// Only a value that is no data can fail, and these were just decoded; should one fail, it equals nothing.
		text = []byte(err.Error())
	}
	r.sum.Write(text)
}
