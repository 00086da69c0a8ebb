package diagnosis

import (
	"regexp"
	"slices"
)

// rules is the table, the special before the general: first what the runner itself knows, then the rows of the
// pipeline's own troubleshooting page, then tools, last the system's words that any tool may say.
var rules = slices.Concat(runnerRules, cloudRules, deployRules, imageRules, pythonRules, otherRules, systemRules) //nolint:gochecknoglobals // a constant table; Go has no constant slices

func re(expression string) *regexp.Regexp { return regexp.MustCompile(expression) }

var runnerRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "timeout", when: timedOut,
		cause:  "The stage took longer than its limit and was stopped.",
		remedy: []string{"See the end of the log for what it was waiting for.", "If it needs the time, raise `timeout-minutes` of the stage."},
	},
	{
		id: "node-out-of-memory", line: re(`JavaScript heap out of memory`),
		cause:  "Node.js reached the limit of its own memory.",
		remedy: []string{"Raise the limit: set `env: {NODE_OPTIONS: --max-old-space-size=4096}` for the stage."},
	},
	{
		id: "out-of-memory", when: killed,
		cause: "A process of the stage was killed, in all likelihood because memory ran out.",
		remedy: []string{
			"Let fewer processes work at once (pytest -n, make -j, parallel builds).",
			"Give the runner more memory, or move the heavy part to a stage of its own.",
		},
	},
	{
		id: "out-of-memory", line: re(`^(?:E\s+)?MemoryError\b|Cannot allocate memory|fatal error: runtime: out of memory`),
		cause: "A process of the stage asked for more memory than there is.",
		remedy: []string{
			"Let fewer processes work at once (pytest -n, make -j, parallel builds).",
			"Give the runner more memory, or work on less data at a time.",
		},
	},
	{
		id: "disk-full", line: re(`[Nn]o space left on device|\[Errno 28\]|ENOSPC|[Dd]isk quota exceeded`),
		cause: "The disk of the runner is full.",
		remedy: []string{
			"Make room in the data folder of the bot, or give it a larger disk.",
			"See whether the stage writes more than it should: caches, artifacts, images.",
		},
	},
	{
		id: "commit-gone", line: re(`not our ref|reference is not a tree|couldn't find remote ref|unadvertised object|is no longer reachable`),
		cause:  "The commit is no longer on the server: its branch was force-pushed or deleted after the run was asked for.",
		remedy: []string{"Push again, or retry on the branch's present commit."},
	},
	{
		id: "python-version-missing", line: re(`^Python ([\w.,<>=!~^* -]{1,60}) \(asked for by (.{1,120})\) is not installed (here|in the image \S{1,200}); there is (.{1,300})\.$`),
		cause: "$2 asks for Python $1; the runner has $4.",
		remedy: []string{
			"Install it where the runner works (`pyenv install $1`, `uv python install $1`, or a package).",
			"Or ask for a version that is there, with `python` in the stage's `with`.",
		},
	},
	{
		id: "coverage-below-minimum", line: re(`Coverage is (\d{1,3}\.\d %), below the minimum of ([\d.]{1,10} %)|Required test coverage of ([\d.]{1,10}%) not reached\. Total coverage: ([\d.]{1,10}%)`),
		cause: "The tests cover less of the code than the minimum asks for.",
		remedy: []string{
			"Write tests for what the tables of coverage and changed lines name.",
			"Or lower `coverage-min` (--cov-fail-under) on purpose.",
		},
	},
	{
		id: "coverage-not-measured", line: re(`coverage-min is [\d.]{1,10} %, but coverage was not measured`),
		cause:  "A minimum of coverage is asked for, but nothing measures it.",
		remedy: []string{"Add pytest-cov to the requirements: `pip install pytest-cov` and `pip freeze > requirements.txt`."},
	},
}

var deployRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "registry-denied", line: re(`denied: requested access to the resource is denied`),
		cause: "The registry did not let the stage push or pull the image.",
		remedy: []string{
			"Verify the secrets DOCKER_USERNAME and DOCKER_PASSWORD.",
			"Make sure that the Docker Hub token may write.",
			"Check that the repository exists on Docker Hub.",
		},
	},
	{
		id: "registry-rate-limit", line: re(`toomanyrequests: `),
		cause:  "The registry has counted too many pulls for now.",
		remedy: []string{"Give the stage DOCKER_USERNAME and DOCKER_PASSWORD, so that pulls count for an account.", "Or try again later."},
	},
	{
		id: "aws-credentials-missing", line: re(`(?i)no valid credential sources|Unable to locate credentials`),
		cause: "Terraform or the AWS client found no credentials.",
		remedy: []string{
			"Verify that the secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set and named by the stage.",
			"Check that the IAM user or role has the permissions it needs.",
			"Make sure that the bucket of the Terraform state exists.",
		},
	},
	{
		id: "terraform-state-locked", line: re(`Error acquiring the state lock`),
		cause: "Another run of Terraform holds the lock of the state, or one that was killed left it behind.",
		remedy: []string{
			"Wait for the other run; the log names who holds the lock and since when.",
			"If nobody does any more: `terraform force-unlock` with the ID in the log.",
		},
	},
	{
		id: "image-not-pulled", line: re(`ImagePullBackOff: .{0,300}the image (\S{1,300}) cannot be pulled: .{0,400}(?:not found|manifest unknown|name unknown)`),
		cause: "The registry has no image $1.",
		remedy: []string{
			"Check the image's name and tag in the manifests, and `images` of the stage.",
			"See whether the stage that builds it has pushed it, and to that registry.",
		},
	},
	{
		id: "image-pull-denied", line: re(`(?i)ImagePullBackOff: .{0,300}the image (\S{1,300}) cannot be pulled: .{0,400}(?:denied|unauthori[sz]ed|forbidden)`),
		cause: "The registry does not let the cluster pull $1.",
		remedy: []string{
			"Give the pods the registry's credentials: a Secret of type kubernetes.io/dockerconfigjson, named in `imagePullSecrets` of the pods or of their service account.",
			"On EKS with ECR: give the nodes' role the right to pull.",
		},
	},
	{
		id: "container-crashes", line: re(`(\S{1,63} \S{1,253}) did not become ready.{0,60}: CrashLoopBackOff: container (\S{1,63}) of pod (\S{1,253}): (.{1,300})`),
		cause: "The container $2 of $1 ends each time it is started.",
		remedy: []string{
			"Read its last lines above: they say why. The whole is among the artifacts.",
			"Start the image on your own machine with the same environment.",
		},
	},
	{
		id: "container-out-of-memory", line: re(`did not become ready.{0,60}: OOMKilled: container (\S{1,63}) of pod (\S{1,253})`),
		cause:  "The container $1 used more memory than its limit and was killed.",
		remedy: []string{"Raise `resources.limits.memory` of the container, or find out what it needs so much memory for."},
	},
	{
		id: "pod-unschedulable", line: re(`did not become ready.{0,60}: Unschedulable: pod (\S{1,253}): no node takes it: (.{1,400})`),
		cause: "No node of the cluster takes the pod: $2",
		remedy: []string{
			"Lower what the pod requests, or give the cluster more or larger nodes.",
			"Check the pod's node selector, affinity and tolerations.",
		},
	},
	{
		id: "probe-failed", line: re(`did not become ready.{0,60}: ProbeFailed: container (\S{1,63}) of pod (\S{1,253}): (.{1,300})`),
		cause: "The container $1 runs and does not say that it is ready: $3",
		remedy: []string{
			"Check path and port of the probe against what the application answers.",
			"If it only needs more time to start, give it a startupProbe, or raise `timeout` of the stage.",
		},
	},
	{
		id: "quota-exceeded", line: re(`exceeded quota: (\S{1,253}), (requested: .{1,200})`),
		cause:  "The quota $1 of the namespace is used up ($2).",
		remedy: []string{"Raise the quota, or let less run in the namespace.", "A rolling update needs room for one pod more than run at other times."},
	},
	{
		id: "admission-denied", line: re(`admission webhook "([^"]{1,200})" denied the request: (.{1,300})|(violates PodSecurity) "([^"]{1,100}): `),
		cause:  "A rule of the cluster does not admit what the manifests ask for.",
		remedy: []string{"The message names the rule and what it wants: change the manifest accordingly, or ask whoever keeps the cluster's rules."},
	},
	{
		id: "kubernetes-forbidden", line: re(`The credentials of the cluster may not (\S{1,30} \S{1,200} (?:in \S{1,63}|of the cluster))`),
		cause:  "The credentials of the cluster may not $1.",
		remedy: []string{"Bind a Role with the rules shown under Missing permissions to the user of the credentials.", "On EKS: add an access entry for the role of the credentials."},
	},
	{
		id: "field-conflict", line: re(`(\S{1,63} \S{1,253}): (\S{1,300}) is managed by (\S{1,200})\. Take it out`),
		cause: "$2 of $1 was set by $3, and the manifests set it too.",
		remedy: []string{
			"If a controller sets it (an autoscaler sets replicas), take it out of the manifest.",
			"If somebody changed it by hand and the manifest is right, write `conflicts: take` once.",
		},
	},
	{
		id: "cluster-unreachable", line: re(`The cluster could not be asked to .{1,100}: (.{1,300})\.$`),
		cause:  "The cluster cannot be reached: $1.",
		remedy: []string{"Check the address in the kubeconfig, or name and region of the EKS cluster.", "See whether this machine may reach the API server: networks, firewalls, the cluster's list of allowed addresses."},
	},
	{
		id: "kubernetes-not-logged-in", line: re(`You must be logged in to the server`),
		cause: "The cluster did not accept the credentials.",
		remedy: []string{
			"Verify that the name of the EKS cluster is right.",
			"Check that the AWS credentials may use EKS and are mapped in the cluster.",
			"Make sure that the cluster is in the region that is given.",
		},
	},
	{
		id: "health-check-failed", line: re(`Health check failed after (\d{1,6}) attempts?`),
		cause: "The service did not become healthy in $1 attempts.",
		remedy: []string{
			"Check the pods: `kubectl get pods -n NAMESPACE`, `kubectl logs -n NAMESPACE deployment/NAME`.",
			"Check the service: `kubectl get svc -n NAMESPACE`, `kubectl describe svc NAME -n NAMESPACE`.",
		},
	},
	{
		id: "docker-daemon-missing", line: re(`Cannot connect to the Docker daemon`),
		cause:  "The stage needs Docker, and no Docker engine answers.",
		remedy: []string{"Start Docker where the runner works, or take out what needs it.", "To build images use a stage with `uses: image`."},
	},
}
