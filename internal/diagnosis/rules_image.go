package diagnosis

var imageRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "registry-login-refused", line: re(`([\w.:-]{1,200}) does not accept the user name and password of DOCKER_USERNAME`),
		cause: "The registry $1 does not know the user, or the password is wrong.",
		remedy: []string{
			"Set the secrets DOCKER_USERNAME and DOCKER_PASSWORD anew; a token that has expired or was revoked is refused like a wrong password.",
			"On Docker Hub and GHCR the password is an access token, not the one you sign in with.",
		},
	},
	{
		id: "registry-repository-missing", line: re(`([\w.:-]{1,200}) has no repository ([\w./-]{1,300}), and does not make one by itself`),
		cause:  "The repository $2 does not exist in $1.",
		remedy: []string{"Create it in the registry, or correct `repository` of the stage."},
	},
	{
		id: "registry-without-tls", line: re(`([\w.:-]{1,200}) would be spoken to without TLS`),
		cause: "The registry $1 answers without TLS only, which would let others read the password and change the image.",
		remedy: []string{
			"Give the registry a certificate.",
			"If it is for tests on this machine: set SLIPWAY_INSECURE_REGISTRIES=$1 on the server.",
		},
	},
	{
		id: "registry-unreachable", line: re(`: ([\w.:-]{1,200}) cannot be reached: `),
		cause:  "The registry $1 does not answer from where the stage runs.",
		remedy: []string{"Check the name in `repository` and whether the registry is up.", "Check proxy and firewall of the machine: HTTPS_PROXY, NO_PROXY."},
	},
	{
		id: "builder-missing", line: re(`An image stage needs a BuildKit daemon`),
		cause: "Nothing on the machine builds images.",
		remedy: []string{
			"Start a BuildKit daemon and set SLIPWAY_BUILDKIT to its address, or let the bot's user reach a Docker engine.",
			"docs/how-to/image.md says how.",
		},
	},
	{
		id: "base-image-missing", line: re(`failed to resolve source metadata for (\S{1,300}): .{0,500}(?:not found|pull access denied|failed to authorize)`),
		cause: "The image $1, which the Dockerfile builds on, does not exist or is private.",
		remedy: []string{
			"Check its name and tag in the FROM.",
			"If it is private: DOCKER_USERNAME and DOCKER_PASSWORD log in to the registry of the stage's `repository` only.",
		},
	},
	{
		id: "base-image-unreachable", line: re(`failed to resolve source metadata for (\S{1,300}): .{0,500}(?:failed to do request|i/o timeout|no such host|connection refused)`),
		cause:  "The registry of the image $1 does not answer to the builder.",
		remedy: []string{"Retry; if it stays so, check the network of the machine where BuildKit runs, or give BuildKit a mirror."},
	},
	{
		id: "copy-missing", line: re(`^\S{1,300}:\d{1,6}: "/?([^"]{1,300})": not found`),
		cause: "The Dockerfile copies $1, which the build does not see.",
		remedy: []string{
			"Check the path: it counts from `context`, not from the Dockerfile.",
			"See whether .dockerignore leaves it out, or whether a step should make it first and is missing.",
		},
	},
	{
		id: "context-too-large", line: re(`The build context has (\S{1,20} \wB)`),
		cause:  "The build would be sent $1 of files.",
		remedy: []string{"Leave out in .dockerignore what the image does not need: data, builds, dependencies, the history."},
	},
	{
		id: "image-moved", line: re(`building it again gives another one`),
		cause:  "The image that was scanned is lost, and the build does not give the same again.",
		remedy: []string{"Retry the stage: it builds, scans and publishes anew.", "Pin what the Dockerfile fetches: packages by version, images by digest."},
	},
	{
		id: "scan-without-database", line: re(`There is no vulnerability database, and it could not be fetched`),
		cause: "Trivy's vulnerability database cannot be reached, and `fail-on` asks for certainty.",
		remedy: []string{
			"Let the machine reach it, or set TRIVY_DB_REPOSITORY on the server to a mirror.",
			"With `fail-on: high` or `critical` a missing database is told and fails nothing.",
		},
	},
	{
		id: "trivy-missing", line: re(`Trivy is not installed where the stage runs`),
		cause:  "Images cannot be scanned: Trivy is not on the PATH of the bot.",
		remedy: []string{"Install Trivy on the machine (https://trivy.dev), version 0.60 or newer.", "With `fail-on: high` or `critical` its absence is told and fails nothing."},
	},
	{
		id: "scan-failed", line: re(`The scan fails from severity (\w{1,20}) on: (.{1,200}?)(?:; |\.$)`),
		cause: "The image holds what is $1 or worse: $2.",
		remedy: []string{
			"Take newer versions where the table names one: of the base image (most are fixed there), or of the package.",
			"What does not concern this image can be listed in .trivyignore, with a reason; what nobody has fixed is left out by `ignore-unfixed`.",
		},
	},
}
