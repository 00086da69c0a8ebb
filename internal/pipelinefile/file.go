package pipelinefile

// file is the pipeline file as it is written. Its tags are the one description of every key.
type file struct {
	Name         string               `json:"name" doc:"What the pipeline is called on checks and pages." default:"CI/CD pipeline" format:"title"`
	On           triggers             `json:"on" doc:"The events that start a run; without it every push and every pull request does."`
	Stages       entries[stage]       `json:"stages" doc:"The stages by their ids, which are the names of their checks." keys:"stage-id" rule:"some"`
	Environments entries[environment] `json:"environments" doc:"Where the pipeline deploys to, and what guards it. Always read from the default branch." keys:"environment-name" rule:"null"`
	Notify       notify               `json:"notify" doc:"Who is told of what."`
	Checkout     checkout             `json:"checkout" doc:"What every stage's checkout holds besides the commit's own files."`
}

// checkout is what is fetched besides the commit.
type checkout struct {
	Submodules bool `json:"submodules" doc:"Whether submodules are checked out: those of the same server, and public ones over https."`
	LFS        bool `json:"lfs" doc:"Whether files in Git LFS are fetched."`
}

// triggers is `on`.
type triggers struct {
	Push        *eventFilter `json:"push" doc:"Pushes to these branches run the whole pipeline." rule:"null"`
	PullRequest *eventFilter `json:"pull_request" doc:"Pull requests into these branches run everything that changes nothing. Merge groups follow it." rule:"null"`
}

// eventFilter is what stands under an event.
type eventFilter struct {
	Branches []string `json:"branches" doc:"Branch patterns as GitHub's, in order; a leading ! excludes. Without it every branch." format:"branch-pattern" rule:"some"`
}

// stage is one entry of `stages`.
type stage struct {
	Uses              string            `json:"uses" doc:"The kind of stage." enum:"python python-security image terraform kubernetes smoke summary"`
	With              rawNode           `json:"with" doc:"The settings of the kind."`
	Run               []string          `json:"run" doc:"Shell commands (bash -euo pipefail), in place of uses." rule:"some"`
	Needs             []need            `json:"needs" doc:"Stages that must have passed before this one starts."`
	If                string            `json:"if" doc:"A CEL expression over event, branch, base, actor, labels, paths, fork and environment; where it is false the stage is skipped." format:"condition" rule:"scalar"`
	Paths             []string          `json:"paths" doc:"Patterns of files; where no changed file matches, the stage is skipped. A leading ! excludes." format:"path-pattern" rule:"some"`
	Environment       string            `json:"environment" doc:"The environment the stage belongs to, or * for whichever the run is for." format:"environment-reference"`
	Image             string            `json:"image" doc:"The container image the commands run in." format:"image"`
	Matrix            matrix            `json:"matrix" doc:"One run of the stage for each combination of these values, which commands have as MATRIX_<NAME>."`
	Env               map[string]string `json:"env" doc:"Environment variables of the stage." keys:"env-name" rule:"scalar empty"`
	Secrets           []string          `json:"secrets" doc:"Secrets the stage gets as environment variables of the same name." format:"secret" rule:"unique"`
	Cache             []cache           `json:"cache" doc:"Folders kept between runs."`
	Artifacts         []string          `json:"artifacts" doc:"Patterns of files kept for 90 days." format:"glob" rule:"unique"`
	Reports           reports           `json:"reports" doc:"Report files a run stage leaves; they become findings, tables and figures of its check."`
	TimeoutMinutes    float64           `json:"timeout-minutes" doc:"The stage is ended after that many minutes." default:"30" min:"0.01" max:"1440"`
	Retry             int               `json:"retry" doc:"How often a failed stage is repeated." min:"0" max:"10"`
	ContinueOnFailure bool              `json:"continue-on-failure" doc:"A failure concludes neutral and lets later stages run."`
}

// need is an entry of `needs`: a stage id, or {stage: id, optional: true}.
type need struct {
	Stage    string `json:"stage" doc:"The id of the stage." rule:"required" format:"stage-id"`
	Optional bool   `json:"optional" doc:"A skipped one counts as passed."`
}

type cache struct {
	Key   string   `json:"key" doc:"What the cache is kept under; ${{ hashFiles('pattern') }} stands for the hash of files." rule:"required expression" format:"cache-key"`
	Paths []string `json:"paths" doc:"Folders, relative to the repository or to the home folder (~/.npm)." rule:"required some unique" format:"cache-path"`
}

type reports struct {
	JUnit     []string `json:"junit" doc:"JUnit XML: tests." format:"glob"`
	Cobertura []string `json:"cobertura" doc:"Cobertura XML: coverage." format:"glob"`
	SARIF     []string `json:"sarif" doc:"SARIF: findings." format:"glob"`
}

// environment is one entry of `environments`.
type environment struct {
	Branches                []string  `json:"branches" doc:"Branch patterns: pushes to them deploy by themselves, and only their commits may enter. Without it every branch may enter, by /deploy alone." format:"branch-pattern" rule:"some"`
	PullRequests            bool      `json:"pull-requests" doc:"Whether commits of open pull requests may enter; false admits merged ones only." default:"true"`
	Cluster                 *cluster  `json:"cluster" doc:"The Kubernetes cluster."`
	AWS                     *aws      `json:"aws" doc:"The AWS account's region and roles."`
	URL                     string    `json:"url" doc:"Where the environment can be visited." format:"url"`
	Approvals               approvals `json:"approvals" doc:"Who must agree before a deploy."`
	Deployers               []string  `json:"deployers" doc:"Who may /deploy: logins, and teams as @org/team. Without it everyone with write permission." format:"person" rule:"some unique"`
	WaitMinutes             int       `json:"wait-minutes" doc:"How long a deploy waits before it starts." min:"0" max:"43200"`
	Freeze                  []freeze  `json:"freeze" doc:"Windows in which nothing is deployed."`
	Secrets                 []string  `json:"secrets" doc:"Secrets the environment holds." format:"secret" rule:"unique"`
	AutoDeploy              bool      `json:"auto-deploy" doc:"Whether pushes deploy by themselves." default:"true"`
	AllowDestroy            bool      `json:"allow-destroy" doc:"Whether /destroy may take the environment down."`
	RollbackWithoutApproval bool      `json:"rollback-without-approval" doc:"Whether /rollback goes ahead without the approvals of a deploy."`
	RequireSigned           *signed   `json:"require-signed" doc:"Whether only signed commits and images may enter; true means both."`
	Drift                   *drift    `json:"drift" doc:"When the infrastructure is compared with the default branch's configuration; nothing is changed by that."`
}

// signed is `require-signed`; true and false stand for both of commits and images.
type signed struct {
	Commits bool   `json:"commits" doc:"Only commits with a signature that GitHub has verified may enter." default:"true"`
	Images  bool   `json:"images" doc:"Only images that were signed with the key are deployed." default:"true"`
	Key     string `json:"key" doc:"The name of the secret that holds the public key of the images, as in cosign.pub." format:"secret" default:"COSIGN_PUBLIC_KEY"`
}

type drift struct {
	Schedule string `json:"schedule" doc:"When: five cron fields." rule:"required" format:"cron"`
	TimeZone string `json:"time-zone" doc:"The zone of the schedule." default:"UTC" format:"time-zone"`
}

type cluster struct {
	EKS        *eks   `json:"eks" doc:"An Amazon EKS cluster."`
	Kubeconfig string `json:"kubeconfig" doc:"The name of the secret that holds a kubeconfig." format:"secret"`
}

type eks struct {
	Name   string `json:"name" doc:"The cluster's name." rule:"required" format:"name"`
	Region string `json:"region" doc:"Its region." rule:"required" format:"region"`
}

type aws struct {
	Region   string `json:"region" doc:"The region." format:"region"`
	Role     string `json:"role" doc:"The role assumed to change things." format:"role"`
	PlanRole string `json:"plan-role" doc:"The role assumed for plans that nobody applies: those of pull requests and of drift." format:"role"`
}

type approvals struct {
	Required            int      `json:"required" doc:"How many people must approve; 1 where approvals stands." min:"0" max:"10"`
	From                []string `json:"from" doc:"Who may approve: logins, and teams as @org/team. Without it everyone with write permission." format:"person" rule:"some unique"`
	PreventSelfApproval bool     `json:"prevent-self-approval" doc:"The author, the last pusher and whoever asked for the deploy do not count."`
}

type freeze struct {
	From     string `json:"from" doc:"When it begins: five cron fields." rule:"required" format:"cron"`
	To       string `json:"to" doc:"When it ends: five cron fields." rule:"required" format:"cron"`
	TimeZone string `json:"time-zone" doc:"The zone of both." default:"UTC" format:"time-zone"`
	Reason   string `json:"reason" doc:"Why, for those who are turned away." rule:"required" format:"title"`
}

type notify struct {
	Slack *slack `json:"slack" doc:"A Slack channel."`
	Email *email `json:"email" doc:"E-mail."`
}

type slack struct {
	Secret string   `json:"secret" doc:"The name of the secret that holds the incoming webhook's address." rule:"required" format:"secret"`
	On     []string `json:"on" doc:"What is told." enum:"failure success deploy rollback approval" default:"failure deploy rollback approval" rule:"some unique"`
}

type email struct {
	To []string `json:"to" doc:"The receivers." rule:"required some unique" format:"email"`
	On []string `json:"on" doc:"What is told." enum:"failure success deploy rollback approval" default:"failure" rule:"some unique"`
}
