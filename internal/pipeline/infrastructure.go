package pipeline

import "maps"

// usesTerraform is the kind of stage whose outputs tell where the infrastructure of an environment is.
const usesTerraform = "terraform"

// leavesInfrastructure reports whether a run brings a release back onto the infrastructure that is there.
func (r *Run) leavesInfrastructure() bool {
	return r.Restores != nil && r.Trigger.Deploy != nil && !r.Trigger.Deploy.Infra
}

// giveInfrastructure gives a stage of a rollback what the terraform stages it needs would have told, had they run: the outputs
// of the release that runs now, since its infrastructure is what is there. What is known otherwise is left as it is.
func giveInfrastructure(task *Task, run Run) {
	if task.Current == nil || task.Stage.Environment == "" || !run.leavesInfrastructure() {
		return
	}
	for id, outputs := range task.Current.Infrastructure {
		for name, value := range outputs {
			if variable := outputVariable(id, name); !has(task.Env, variable) {
				task.Env[variable] = value
			}
		}
	}
}

func has(env map[string]string, name string) bool {
	_, known := env[name]
	return known
}

// Infrastructure are the outputs of an environment's terraform stages after the run: those it has applied, and of those it left
// alone what before, the release that ran until now, knew of them.
func (r *Run) Infrastructure(environment string, before Release) map[string]map[string]string {
	known := make(map[string]map[string]string)
	if r.leavesInfrastructure() {
		maps.Copy(known, before.Infrastructure)
		return known
	}
	for _, s := range r.Current() {
		if s.Spec.Uses != usesTerraform || s.Spec.Environment != environment {
			continue
		}
		outputs := s.Result.Outputs
		if s.Status == StatusSkipped {
			outputs = before.Infrastructure[s.Spec.ID]
		}
		if len(outputs) == 0 {
			continue
		}
		if known[s.Spec.ID] == nil {
			known[s.Spec.ID] = make(map[string]string)
		}
		maps.Copy(known[s.Spec.ID], outputs) // legs of a matrix share their variables, too
	}
	return known
}
