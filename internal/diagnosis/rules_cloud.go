package diagnosis

// cloudRules are the failures of AWS and of Terraform: what the stage itself found out comes first, then what AWS says.
var cloudRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "terraform-plan-moved", line: re(`The saved plan is not applied, because (.{1,400}?)\. A new plan is made`),
		cause: "The plan that was decided on is no longer the one that would be applied: $1.",
		remedy: []string{
			"Look at the new plan, which the next attempt of this stage makes: approvals of the old one do not count for it.",
			"Find out who changed the state in between: one pipeline should be the only one that applies.",
		},
	},
	{
		id: "terraform-state-not-saved", line: re(`(?i)Failed to (?:save|persist) state|errored\.tfstate`),
		cause: "Terraform changed the infrastructure, but could not write its state back.",
		remedy: []string{
			"Do not apply again before the state is written: what was made would be made a second time.",
			"See the end of the log: it says whether the stage wrote it later, or where the state is kept and how to push it.",
		},
	},
	{
		id: "terraform-state-locked", line: re(`The lock \S{1,100} of .{1,300} is held by (.{1,300})\. If nobody works with it any more: (.{1,300})$`),
		cause: "The Terraform state is locked by $1.",
		remedy: []string{
			"Wait for the other run, then retry.",
			"If nobody works with it any more (a run that was killed leaves its lock behind): `$2`, after `terraform init` with the same backend.",
		},
	},
	{
		id: "terraform-version-missing", line: re(`asks for another version: (?:this machine|the image \S{1,200}) has (.{1,400})\.$`),
		cause: "The configuration asks for a version of Terraform that is not installed; there is $1.",
		remedy: []string{
			"Install the version where the runner works: on PATH, as terraform-VERSION beside others, or as /opt/terraform/VERSION/terraform.",
			"Or widen `required_version`.",
		},
	},
	{
		id: "terraform-missing", line: re(`needs Terraform or OpenTofu, and .{1,200} has neither`),
		cause:  "Neither Terraform nor OpenTofu is installed where the stage runs.",
		remedy: []string{"Install one of them where the runner works, or choose an `image` for the stage that has it."},
	},
	{
		id: "terraform-module-denied", line: re(`(?:could not read Username for|Authentication failed for|Permission denied \(publickey|Host key verification failed|Repository not found|remote: Not Found)[^']{0,40}(?:'([^']{1,300})')?`),
		uses:  []string{"terraform"},
		cause: "A module comes from a private repository that the stage may not read.",
		remedy: []string{
			"Give the stage a token that may read it as a secret, and let git use it: docs/how-to/terraform.md has the lines.",
			"Check that the address of the module's `source` is right.",
		},
	},
	{
		id: "terraform-module-missing", line: re(`Could not download module "([^"]{1,200})"|Unreadable module directory`),
		cause:  "The module $1 could not be fetched.",
		remedy: []string{"Check its `source` and `version`; the lines before say what the server answered."},
	},
	{
		id: "terraform-lock-file", line: re(`Inconsistent dependency lock file|doesn't match any of the checksums|do not match any of the checksums|Failed to install provider .{0,200}checksum`),
		cause:  "The providers do not fit the lock file .terraform.lock.hcl.",
		remedy: []string{"Run `terraform providers lock -platform=linux_amd64` (and the platforms of your team) and commit .terraform.lock.hcl."},
	},
	{
		id: "terraform-provider-missing", line: re(`Failed to query available provider packages|Could not retrieve the list of available versions for provider (\S{1,200}?):|does not have a provider named|Failed to install provider`),
		cause: "A provider could not be fetched.",
		remedy: []string{
			"Check its `source` and `version` in `required_providers`.",
			"If the registry cannot be reached from the runner, name a mirror: `provider_installation` in the file of TF_CLI_CONFIG_FILE of the bot.",
		},
	},
	{
		id: "terraform-state-bucket-missing", line: re(`(?:The )?S3 bucket "?([\w.-]{1,100})"? does not exist|NoSuchBucket`),
		cause: "The bucket of the Terraform state does not exist: $1.",
		remedy: []string{
			"Create it, with versioning: `aws s3 mb s3://BUCKET` and `aws s3api put-bucket-versioning --bucket BUCKET --versioning-configuration Status=Enabled`.",
			"Or correct `bucket` in the backend block or in `backend-config`.",
			"Check that the AWS credentials are those of the right account.",
		},
	},
	{
		id: "terraform-state-bucket-denied", line: re(`may not use the S3 bucket "([\w.-]{1,100})"`),
		cause: "The AWS credentials may not use the bucket of the Terraform state, $1, or it belongs to somebody else.",
		remedy: []string{
			"Allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on the state and its lock file.",
			"Check that the AWS credentials are those of the right account.",
		},
	},
	{
		id: "terraform-state-bucket-region", line: re(`The S3 bucket "([\w.-]{1,100})" is not in the region ([\w-]{1,40})|requested bucket from "[\w-]{1,40}", actual location`),
		cause:  "The bucket of the Terraform state, $1, is in another region than the backend says.",
		remedy: []string{"Write the bucket's own region into the backend block: `aws s3api get-bucket-location --bucket BUCKET` tells it."},
	},
	{
		id: "terraform-lock-table-missing", line: re(`The DynamoDB table "([\w.-]{1,255})"`),
		cause: "The table of the state's locks, $1, does not exist.",
		remedy: []string{
			"Create it with the key LockID (a string), or correct `dynamodb_table`.",
			"Or let S3 keep the lock: `use_lockfile = true` in place of the table (Terraform 1.10 and later).",
		},
	},
	{
		id: "aws-role-denied", line: re(`must allow sts:AssumeRole and sts:TagSession|not authorized to perform: sts:(?:AssumeRole|TagSession)|Cannot assume IAM Role`),
		cause: "The role of the environment could not be assumed.",
		remedy: []string{
			"In the role's trust policy, allow sts:AssumeRole and sts:TagSession to the identity in the evidence.",
			"Check the ARN under `aws` of the environment.",
		},
	},
	{
		id: "aws-permission-passrole", line: re(`is not authorized to perform: iam:PassRole(?: on resource: (\S{1,300}))?`),
		cause:  "The AWS credentials may not hand a role to a service: iam:PassRole is not allowed.",
		remedy: []string{"Allow iam:PassRole on that role to the IAM user or role of the environment; EKS and EC2 need it for their roles."},
	},
	{
		id: "aws-permission", line: re(`is not authorized to perform: ([a-z0-9-]{1,60}:\w{1,100})(?: on resource: ([^\s,]{1,300}))?`),
		cause: "The AWS credentials may not do $1.",
		remedy: []string{
			"Allow $1 to the IAM user or role of the environment.",
			"If it is allowed there, look for a boundary or an organisation's policy that forbids it.",
		},
	},
	{
		id: "aws-permission-encoded", line: re(`UnauthorizedOperation|Encoded authorization failure message`),
		cause:  "EC2 did not allow an operation to the AWS credentials.",
		remedy: []string{"See which one: `aws sts decode-authorization-message --encoded-message MESSAGE`, and allow it to the IAM user or role of the environment."},
	},
	{
		id: "aws-permission-s3", line: re(`S3: (\w{1,60}),.{0,300}(?:AccessDenied|StatusCode: 403)`),
		cause:  "S3 did not allow $1 to the AWS credentials.",
		remedy: []string{"Allow s3:$1 (for the state: s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject) on the bucket, and see the bucket's own policy."},
	},
	{
		id: "aws-credentials-wrong", line: re(`InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|api error AuthFailure`),
		cause: "AWS does not accept the access key.",
		remedy: []string{
			"Verify the secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: both of the same key, without spaces, and the key active.",
			"Temporary keys (ASIA…) need AWS_SESSION_TOKEN, too.",
		},
	},
	{
		id: "aws-credentials-expired", line: re(`ExpiredToken|security token (?:included in the request )?(?:has |is )expired|RequestExpired`),
		cause: "The AWS credentials have expired.",
		remedy: []string{
			"Set fresh ones, or let Slipway assume a role for each run (`aws.role` of the environment): they last an hour.",
			"If an apply takes longer than that, divide the configuration.",
		},
	},
	{
		id: "aws-quota-ec2", line: re(`\b(VpcLimitExceeded|InstanceLimitExceeded|VcpuLimitExceeded|AddressLimitExceeded|NatGatewayLimitExceeded|InternetGatewayLimitExceeded|SecurityGroupLimitExceeded|RulesPerSecurityGroupLimitExceeded|SecurityGroupsPerInterfaceLimitExceeded|SubnetLimitExceeded|RouteTableLimitExceeded|NetworkInterfaceLimitExceeded|VolumeLimitExceeded|MaxSpotInstanceCountExceeded|InsufficientInstanceCapacity)\b`),
		cause: "The account has reached a limit of EC2 or VPC in this region: $1.",
		remedy: []string{
			"Ask for more under Service Quotas: `aws service-quotas list-service-quotas --service-code vpc` (or ec2) names them.",
			"Or remove what is no longer used: VPCs, addresses and gateways of earlier tries.",
		},
	},
	{
		id: "aws-quota-eks", line: re(`EKS: (\w{1,60}),.{0,400}(?:ResourceLimitExceededException|LimitExceeded)`),
		cause:  "The account has reached a limit of EKS in this region ($1).",
		remedy: []string{"Ask for more under Service Quotas: `aws service-quotas list-service-quotas --service-code eks`.", "Or remove clusters and node groups that are no longer used."},
	},
	{
		id: "aws-quota-rds", line: re(`\b(InstanceQuotaExceeded|DBInstanceQuotaExceeded\w{0,20}|DBClusterQuotaExceeded\w{0,20}|StorageQuotaExceeded\w{0,20}|SnapshotQuotaExceeded\w{0,20}|DBSubnetGroupQuotaExceeded\w{0,20}|DBParameterGroupQuotaExceeded\w{0,20}|OptionGroupQuotaExceeded\w{0,20}|InsufficientDBInstanceCapacity\w{0,20})\b`),
		cause:  "The account has reached a limit of RDS in this region: $1.",
		remedy: []string{"Ask for more under Service Quotas: `aws service-quotas list-service-quotas --service-code rds`.", "Or remove databases and snapshots that are no longer used, or choose another instance class."},
	},
	{
		id: "aws-quota-s3", line: re(`\bTooManyBuckets\b`),
		cause:  "The account has as many S3 buckets as it may.",
		remedy: []string{"Ask for more under Service Quotas (General purpose buckets), or remove buckets that are no longer used."},
	},
	{
		id: "aws-bucket-taken", line: re(`\b(?:BucketAlreadyExists|BucketAlreadyOwnedByYou)\b`),
		cause:  "A bucket of that name exists already; names of S3 buckets are shared by the whole world.",
		remedy: []string{"Choose another name, for instance with the account's number in it.", "If it is yours, import it: `terraform import` or an `import` block."},
	},
	{
		id: "aws-quota-iam", line: re(`IAM: (\w{1,60}),.{0,300}LimitExceeded|Cannot exceed quota for \w{1,80}`),
		cause:  "The account has reached a limit of IAM ($1).",
		remedy: []string{"Ask for more under Service Quotas (IAM, in us-east-1), or remove roles and policies that are no longer used."},
	},
	{
		id: "aws-throttled", line: re(`\b(?:ThrottlingException|Throttling|RequestLimitExceeded|TooManyRequestsException|Rate exceeded)\b`),
		cause:  "AWS was asked too often in a short time.",
		remedy: []string{"Retry the stage.", "If it happens often, let Terraform do less at a time: `env: {TF_CLI_ARGS_plan: -parallelism=5}`."},
	},
	{
		id: "aws-dependency", line: re(`\bDependencyViolation\b|\bDeleteConflict\b|\bResourceInUseException\b`),
		cause:  "Something that is to be destroyed is still used by something else, perhaps by what Terraform does not know.",
		remedy: []string{"Remove what uses it (network interfaces and load balancers that a cluster made are frequent), then retry."},
	},
	{
		id: "aws-unreachable", line: re(`AWS did not answer the attempt to`),
		cause:  "AWS could not be reached from the runner.",
		remedy: []string{"Check the network of the runner, its proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL.", "Then retry."},
	},
	{
		id: "terraform-backend-unreachable", line: re(`(?i)(?:failed to|error) (?:get|load\w{0,4}|refresh\w{0,4}|read\w{0,4}) (?:the )?(?:existing )?(?:remote )?(?:state|workspaces).{0,500}(?:refused|no such host|timed? ?out|unreachable|EOF|bad gateway|unavailable)|(?:GET|POST|LOCK|UNLOCK) \S{1,300} giving up after`),
		cause:  "The backend that holds the Terraform state does not answer.",
		remedy: []string{"Check its address, and whether the runner can reach it.", "Then retry; nothing was changed."},
	},
}
