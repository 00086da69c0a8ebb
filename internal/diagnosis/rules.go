package diagnosis

import (
	"regexp"
	"slices"
)

// rules is the table, the special before the general: first what the runner itself knows, then the rows of the
// pipeline's own troubleshooting page, then tools, last the system's words that any tool may say.
var rules = slices.Concat(runnerRules, cloudRules, deployRules, pythonRules, otherRules, systemRules) //nolint:gochecknoglobals // a constant table; Go has no constant slices

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
		id: "disk-full", line: re(`No space left on device|\[Errno 28\]|ENOSPC|Disk quota exceeded`),
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
