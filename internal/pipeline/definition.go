package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Definition is a valid pipeline file: every reference resolves, no cycle, all defaults applied. Package pipelinefile makes it.
type Definition struct {
	Name string
	// Source says where it came from: ".github/slipway.yml", "acme/.github: slipway.yml", "inferred from the repository".
	Source       string
	On           On
	Stages       []StageDefinition
	Environments []EnvironmentDefinition
	Notify       Notify
	Checkout     CheckoutDefinition
}

// CheckoutDefinition says what a checkout holds besides the commit's own files.
type CheckoutDefinition struct {
	Submodules bool `json:"submodules,omitempty"`
	LFS        bool `json:"lfs,omitempty"`
}

// On holds the branch patterns (GitHub's globs) that start a run; nil: that event starts none.
type On struct {
	Push        *BranchFilter
	PullRequest *BranchFilter
}

// BranchFilter is GitHub's `branches`: patterns in order, a leading ! excludes; no pattern: every branch.
type BranchFilter struct {
	Branches []string
	Match    func(branch string) bool `json:"-"`
}

// StageDefinition is one entry of `stages`, before the trigger is known.
type StageDefinition struct {
	ID string
	// Uses is the stage kind; "run" for a stage of commands.
	Uses string
	// With holds the settings of the kind as canonical JSON, defaults applied, keys as in the file.
	With json.RawMessage
	// LegWith are the settings of each leg of Matrix, where they differ; nil: With is every leg's.
	LegWith           []json.RawMessage
	Run               []string
	Needs             []Need
	If                Condition                   // nil: always
	Paths             []string                    // doublestar patterns; empty: always
	MatchPaths        func(changed []string) bool `json:"-"`
	Environment       string                      // a name, "*", or empty
	Image             string
	Matrix            []MatrixLeg // nil: one stage without values
	Env               map[string]string
	Secrets           []string
	Cache             []CacheDefinition
	Artifacts         []string // glob patterns relative to the checkout
	Reports           Reports
	Timeout           time.Duration
	Retry             int
	ContinueOnFailure bool
}

// Need is a stage that must have passed first. In a definition Stage is an id; in a plan it is a check name.
type Need struct {
	Stage string `json:"stage"`
	// Optional: skipped counts as passed.
	Optional bool `json:"optional,omitempty"`
}

// MatrixLeg is one combination, in the file's order of keys.
type MatrixLeg []MatrixValue

// MatrixValue is one variable of a leg; it reaches commands as MATRIX_<NAME>.
type MatrixValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// CacheDefinition keeps paths between runs under a key. Key may hold ${{ hashFiles('glob') }} parts.
type CacheDefinition struct {
	Key   string   `json:"key"`
	Paths []string `json:"paths"`
}

// Reports are glob patterns of report files, relative to the checkout, read after the commands of a stage.
type Reports struct {
	JUnit     []string `json:"junit,omitempty"`
	Cobertura []string `json:"cobertura,omitempty"`
	SARIF     []string `json:"sarif,omitempty"`
}

// Condition is a compiled `if`.
type Condition interface {
	// Holds evaluates over the trigger's facts; an error is a problem of the file (for instance an index out of range).
	Holds(ConditionFacts) (bool, error)
	String() string
}

// ConditionFacts are the CEL variables of contract 11.15.
type ConditionFacts struct {
	Event       Event
	Branch      string
	Base        string
	Actor       string
	Labels      []string
	Paths       []string
	Fork        bool
	Environment string
}

// EnvironmentDefinition is one entry of `environments`.
type EnvironmentDefinition struct {
	Name         string
	Branches     []string
	MatchBranch  func(branch string) bool `json:"-"`
	PullRequests bool
	Cluster      *ClusterDefinition
	AWS          *AWSDefinition
	URL          string
	Approvals    ApprovalRule
	Deployers    []string
	WaitMinutes  int
	Freeze       []FreezeWindow
	Secrets      []string
	AutoDeploy   bool
	// AllowDestroy lets /destroy take it down: it says so itself, or all of its terraform stages do.
	AllowDestroy bool
	// DestroyingStages are the ids of its terraform stages that say allow-destroy in the same file: of the default branch, as
	// everything that guards. A commit cannot say it of itself.
	DestroyingStages []string `json:",omitempty"`
	// RollbackWithoutApproval lets /rollback go ahead without the approvals a deploy needs.
	RollbackWithoutApproval bool
	// RequireSigned admits only commits with a signature that GitHub has verified.
	RequireSigned bool
	// ImageKey names the secret with the public key by which every image that enters must be signed; empty: none need be.
	ImageKey string
	// Drift is when its infrastructure is compared with the configuration; nil: never by itself.
	Drift *DriftSchedule `json:",omitempty"`
}

// DriftSchedule is a cron expression of five fields, in a time zone; empty: UTC.
type DriftSchedule struct{ Schedule, TimeZone string }

// ClusterDefinition names an EKS cluster or the secret that holds a kubeconfig; exactly one is set.
type ClusterDefinition struct {
	EKS        *EKSCluster
	Kubeconfig string
}

// EKSCluster is found by name and region.
type EKSCluster struct{ Name, Region string }

// AWSDefinition holds region and the roles assumed for applies and for plans of pull requests.
type AWSDefinition struct{ Region, Role, PlanRole string }

// ApprovalRule is who must agree before a candidate enters.
type ApprovalRule struct {
	Required            int
	From                []string // users, and teams as @org/team
	PreventSelfApproval bool
}

// FreezeWindow closes an environment from each firing of From until the next firing of To (cron, in TimeZone).
type FreezeWindow struct{ From, To, TimeZone, Reason string }

// Notify is who is told of what.
type Notify struct {
	Slack *SlackNotify
	Email *EmailNotify
}

// SlackNotify names the secret that holds the incoming webhook's address.
type SlackNotify struct {
	Secret string
	On     []string
}

// EmailNotify lists receivers.
type EmailNotify struct {
	To []string
	On []string
}

// Problem is one thing wrong with a pipeline file. Line and Column count from 1; 0: the file as a whole.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// String is the form of `slipway validate`: file:line:col: message.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", p.File, max(p.Line, 1), max(p.Column, 1), p.Message)
}

// InvalidDefinitionError carries every problem of a pipeline file at once.
type InvalidDefinitionError struct{ Problems []Problem }

func (e *InvalidDefinitionError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
