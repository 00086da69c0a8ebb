package diagnosis

var otherRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "npm-lock-missing", line: re("`npm ci` command can only install with an existing package-lock|The `npm ci` command can only install"),
		cause:  "`npm ci` needs a package-lock.json, and the commit has none.",
		remedy: []string{"Run `npm install` and commit package-lock.json."},
	},
	{
		id: "npm-lock-outdated", line: re("`npm ci` can only install packages when your package\\.json and package-lock\\.json"),
		cause:  "package.json and package-lock.json do not fit together.",
		remedy: []string{"Run `npm install` and commit package-lock.json with package.json."},
	},
	{
		id: "npm-script-missing", line: re(`Missing script: "([^"]{1,200})"`),
		cause:  "package.json has no script $1.",
		remedy: []string{"Add it under `scripts`, or call the one that is there (`npm run` lists them)."},
	},
	{
		id: "node-module-missing", line: re(`Cannot find module '([@\w./-]{1,300})'`),
		cause:  "Node.js does not find the module $1.",
		remedy: []string{"Install the dependencies first (`npm ci`).", "If it is missing in package.json, add it: `npm install $1`."},
	},
	{
		id: "go-sum-missing", line: re(`missing go\.sum entry for (?:module providing package |go\.mod file )?(\S{0,300})`),
		cause:  "go.sum does not hold all that go.mod asks for.",
		remedy: []string{"Run `go mod tidy` and commit go.mod and go.sum."},
	},
	{
		id: "go-module-missing", line: re(`no required module provides package ([\w./~-]{1,300});|cannot find module providing package ([\w./~-]{1,300}):`),
		cause:  "A Go package is imported that no module of go.mod provides: $1$2.",
		remedy: []string{"Run `go get $1$2` and commit go.mod and go.sum."},
	},
}

var systemRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "port-in-use", line: re(`(?i)address already in use|EADDRINUSE|port is already allocated`),
		cause: "A port is taken: another process of this stage, or another stage on the machine, listens there.",
		remedy: []string{
			"Let the system choose a free port (port 0) in tests.",
			"See whether an earlier step started a server and left it running.",
		},
	},
	{
		id: "certificate-not-trusted", line: re(`CERTIFICATE_VERIFY_FAILED|certificate signed by unknown authority|self.signed certificate|unable to get local issuer certificate`),
		cause:  "The certificate of a server is not trusted here.",
		remedy: []string{"If a proxy or a server of your own issues it, install its authority where the runner works and set SSL_CERT_FILE."},
	},
	{
		id: "windows-line-ends", line: re(`\$'\\r': command not found|[^ ]\^M: bad interpreter|: ‘[^’]{1,100}\\r’: No such file|: bad interpreter: .{1,100}\r`),
		cause:  "A script has the line ends of Windows.",
		remedy: []string{"Save it with the line ends of Unix: `dos2unix FILE`, and `*.sh text eol=lf` in .gitattributes."},
	},
	{
		id: "script-not-executable", when: notExecutable, line: re(`: ([\w./@+-]{1,300}): Permission denied`),
		cause:  "The file $1 may not be executed.",
		remedy: []string{"Mark it: `git update-index --chmod=+x $1` and commit.", "Or call its interpreter: `bash $1`."},
	},
	{
		id: "variable-not-set", line: re(`: (?:line \d{1,7}: )?(\w{1,200}): unbound variable`),
		cause: "The variable $1 is used, but nothing sets it; commands run under `bash -euo pipefail`.",
		remedy: []string{
			"Set it with `env`, or name it under `secrets` of the stage if it is one.",
			"Where it may be empty, write $${$1:-}.",
		},
	},
	{
		id: "command-not-found", line: re(`(?:^|: )(?:line \d{1,7}: )?([\w.+/-]{1,200}): (?:command )?not found$|exec: "([^"]{1,200})": executable file not found`),
		cause: "The program $1$2 is not installed where the stage runs.",
		remedy: []string{
			"Install it where the runner works, or choose an `image` for the stage that has it.",
			"If the stage installs it, check the step that should have.",
		},
	},
	{
		id: "connection-refused", line: re(`(?i)connection refused|ECONNREFUSED`),
		cause: "Nobody listens at an address the stage connects to.",
		remedy: []string{
			"If it is a service of the tests (database, cache), start it in the stage and wait until it answers.",
			"Otherwise check address and port in the evidence.",
		},
	},
	{
		id: "permission-denied", line: re(`(?i)permission denied|\[Errno 13\]|EACCES`),
		cause: "A file may not be read or written by the stage.",
		remedy: []string{
			"Commands see the checkout, $$TMPDIR and their caches; other places of the machine are closed.",
			"See whether the file in the evidence should be somewhere in the checkout.",
		},
	},
}
