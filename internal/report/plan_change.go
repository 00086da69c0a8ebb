package report

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// planChange makes a resource's change readable; changes is false for one that stays as it is.
func planChange(c tfjson.ResourceChange) (change PlanChange, changes bool) {
	change = PlanChange{
		Address: clip(c.Address, maxName), Module: clip(c.ModuleAddress, maxName), Type: clip(c.Type, maxName),
		Imported: c.Change.Importing != nil, Deposed: clip(c.DeposedKey, maxName),
		CreateFirst: c.Change.Actions.CreateBeforeDestroy(),
	}
	if c.PreviousAddress != c.Address {
		change.From = clip(c.PreviousAddress, maxName)
	}
	switch actions := c.Change.Actions; {
	case actions.Replace():
		change.Action = PlanReplace
		change.Forcing = attributesOf(c.Change.ReplacePaths)
	case actions.Delete():
		change.Action = PlanDelete
	case actions.Forget():
		change.Action = PlanForget
	case actions.Create():
		change.Action = PlanCreate
	case actions.Update():
		change.Action = PlanUpdate
	case actions.Read():
		return change, false
	case actions.NoOp() && change.Imported:
		change.Action = PlanImport
	case actions.NoOp() && change.From != "":
		change.Action = PlanMove
	case actions.NoOp():
		return change, false
	default:
		change.Action = PlanReplace // a combination of a later version: better warned than surprised
	}
	if change.Action == PlanUpdate || change.Action == PlanReplace {
		change.Attributes = changedAttributes(c.Change)
	}
	change.Reason = reasonInWords(c.ActionReason)
	return change, true
}

func outputAction(actions tfjson.Actions) PlanAction {
	switch {
	case actions.Create():
		return PlanCreate
	case actions.Delete():
		return PlanDelete
	case actions.NoOp():
		return ""
	default:
		return PlanUpdate
	}
}

func reasonInWords(reason tfjson.ActionReason) string {
	switch reason {
	case tfjson.ActionReasonReplaceBecauseTainted:
		return "it is tainted: its creation failed half-way"
	case tfjson.ActionReasonReplaceByRequest:
		return "its replacement was asked for"
	case tfjson.ActionReasonReplaceByTriggers:
		return "something that replace_triggered_by names changes"
	case tfjson.ActionReasonDeleteBecauseNoResourceConfig:
		return "its block is no longer in the configuration"
	case tfjson.ActionReasonDeleteBecauseWrongRepetition:
		return "its key does not fit count or for_each"
	case tfjson.ActionReasonDeleteBecauseCountIndex:
		return "its index is beyond count"
	case tfjson.ActionReasonDeleteBecauseEachKey:
		return "its key is no longer in for_each"
	case tfjson.ActionReasonDeleteBecauseNoModule:
		return "its module is no longer in the configuration"
	case tfjson.ActionReasonDeleteBecauseNoMoveTarget:
		return "it was moved to an address without a block"
	default:
		return ""
	}
}

// attributesOf are the first names of paths.
func attributesOf(paths []any) []string {
	var names []string
	for _, path := range paths {
		steps, ok := path.([]any)
		if !ok || len(steps) == 0 {
			continue
		}
		if name := clip(fmt.Sprint(steps[0]), maxName); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// changedAttributes are the top-level attributes whose value changes, or is not known before it has.
func changedAttributes(c *tfjson.Change) []string {
	before, after, unknown := asObject(c.Before), asObject(c.After), asObject(c.AfterUnknown)
	changed := make(map[string]bool)
	for name, value := range before {
		if !reflect.DeepEqual(value, after[name]) {
			changed[clip(name, maxName)] = true
		}
	}
	for name, value := range after {
		if !reflect.DeepEqual(value, before[name]) {
			changed[clip(name, maxName)] = true
		}
	}
	for name, value := range unknown {
		if anyMarked(value) {
			changed[clip(name, maxName)] = true
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

func asObject(value any) map[string]any {
	object, _ := value.(map[string]any)
	return object
}

// Counts are how many resources a plan touches. A replacement counts among the added and among the destroyed, as
// Terraform itself counts.
type Counts struct{ Add, Change, Destroy, Replace, Import, Move, Forget int }

// Counts sums up the changes.
func (p Plan) Counts() Counts {
	var n Counts
	for _, c := range p.Changes {
		if c.Imported {
			n.Import++
		}
		switch c.Action {
		case PlanCreate:
			n.Add++
		case PlanUpdate:
			n.Change++
		case PlanDelete:
			n.Destroy++
		case PlanReplace:
			n.Add++
			n.Destroy++
			n.Replace++
		case PlanForget:
			n.Forget++
		case PlanMove:
			n.Move++
		case PlanImport:
		}
	}
	return n
}

// String is "3 to add, 1 to change, 2 to destroy (1 replaced)".
func (n Counts) String() string {
	text := fmt.Sprintf("%d to add, %d to change, %d to destroy", n.Add, n.Change, n.Destroy)
	var more []string
	for _, m := range []struct {
		n    int
		what string
	}{{n.Replace, "replaced"}, {n.Import, "imported"}, {n.Move, "moved"}, {n.Forget, "forgotten"}} {
		if m.n > 0 {
			more = append(more, fmt.Sprintf("%d %s", m.n, m.what))
		}
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
	}
	return text
}

// Empty reports whether applying the plan would change nothing, outputs included.
func (p Plan) Empty() bool {
	return len(p.Changes) == 0 && !slices.ContainsFunc(p.Outputs, func(o PlanOutput) bool { return o.Action != "" })
}

// Destructive are the changes that destroy something, those first whose loss hurts most.
func (p Plan) Destructive() []PlanChange {
	var found []PlanChange
	for _, c := range p.Changes {
		if c.Action == PlanDelete || c.Action == PlanReplace {
			found = append(found, c)
		}
	}
	rank := func(c PlanChange) int {
		at := slices.Index(precious, Precious(c.Type))
		if at < 0 {
			at = len(precious)
		}
		if c.Action == PlanReplace {
			return 2*at + 1
		}
		return 2 * at
	}
	slices.SortStableFunc(found, func(a, b PlanChange) int { return cmp.Compare(rank(a), rank(b)) })
	return found
}
