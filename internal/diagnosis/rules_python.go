package diagnosis

var pythonRules = []rule{ //nolint:gochecknoglobals // part of the constant table
	{
		id: "pytest-not-found", line: re(`pytest: command not found|No module named '?pytest'?$`),
		cause: "pytest is not among the requirements.",
		remedy: []string{
			"Make sure that requirements.txt includes pytest:",
			"pip install pytest pytest-cov pytest-flask",
			"pip freeze > requirements.txt",
		},
	},
	{
		id: "name-not-resolved", line: re(`Temporary failure in name resolution|Name or service not known|Could not resolve host|EAI_AGAIN|ENOTFOUND|no such host`),
		cause: "The name of a host could not be resolved: the runner has no network, no DNS, or the name is wrong.",
		remedy: []string{
			"Check the name in the evidence and the runner's way to it (proxy, DNS, firewall).",
			"`SLIPWAY_SANDBOX_NETWORK=isolated` leaves stages without a network.",
		},
	},
	{
		id: "connection-refused", line: re(`NewConnectionError.{0,300}Connection refused`),
		cause:  "The package index does not answer at its address.",
		remedy: []string{"Check the index in pip's settings and in the requirement files.", "Try again when it is back."},
	},
	{
		id: "python-module-missing", line: re(`(?:ModuleNotFoundError|ImportError): No module named '?([\w.]{1,200})'?`),
		cause: "The module $1 is imported, but Python finds it neither among the installed packages nor in the repository.",
		remedy: []string{
			"If it comes from a package, add the package to the requirements.",
			"If it is the repository's own, check its name and folder, `__init__.py`, and pytest's `pythonpath`.",
		},
	},
	{
		id: "dependency-conflict", line: re(`ResolutionImpossible|your requirements are unsatisfiable`),
		cause: "The requirements contradict each other: no set of versions satisfies all of them.",
		remedy: []string{
			"The log says which packages ask for what (\"The conflict is caused by\").",
			"Loosen or drop one of these versions.",
		},
	},
	{
		id: "package-not-found", line: re(`No matching distribution found for (\S{1,200})`),
		cause: "There is no release of $1 for this Python and platform.",
		remedy: []string{
			"Check name and version; the log lists the versions there are.",
			"A release may be too old or too new for the Python of the stage: see `python` in its `with`.",
		},
	},
	{
		id: "package-hash-mismatch", line: re(`DO NOT MATCH THE HASHES|Hash mismatch for`),
		cause: "A downloaded package is not the one whose hash the requirements hold.",
		remedy: []string{
			"If versions were changed, write the hashes anew (`pip-compile --generate-hashes`).",
			"If not, find out why the package is another one before you go on.",
		},
	},
	{
		id: "requirement-invalid", line: re(`Invalid requirement: '?(.{1,200})`),
		cause:  "A line of the requirements cannot be read.",
		remedy: []string{"Correct the line; the log names file and line."},
	},
	{
		id: "python-build-failed", line: re(`Failed building wheel for (\S{1,200})|Failed to build installable wheels|subprocess-exited-with-error`),
		cause: "A package had to be compiled here, and that failed: mostly a missing compiler or header file.",
		remedy: []string{
			"Choose a version of the package that has a wheel for the Python of the stage.",
			"Or install what it needs to compile (build-essential, python3-dev, lib…-dev).",
		},
	},
	{
		id: "python-venv-missing", line: re(`because ensurepip is not|No module named '?(?:venv|ensurepip)'?$`),
		cause:  "The Python of the runner cannot make virtual environments: Debian and Ubuntu ship that apart.",
		remedy: []string{"Install it where the runner works: `apt install python3-venv`.", "Or ask for another Python."},
	},
	{
		id: "python-syntax-error", line: re(`^(?:E\s+)?(?:\S{1,200}:\d{1,7}: )?(?:E999 )?(SyntaxError|IndentationError|TabError): (.{1,200})`),
		cause: "A Python file cannot be read: $1: $2.",
		remedy: []string{
			"Correct the line the log names above the error.",
			"If the syntax is new, the Python of the stage may be too old for it.",
		},
	},
	{
		id: "pytest-fixture-missing", line: re(`fixture '([\w]{1,200})' not found`),
		cause: "A test asks for the fixture $1, which nobody defines.",
		remedy: []string{
			"Define it in conftest.py, or add the plugin that brings it to the requirements (pytest-flask has client, pytest-mock has mocker).",
		},
	},
	{
		id: "test-collection-failed", line: re(`Interrupted: (\d{1,6}) errors? during collection|(?:^|\s)(\d{1,6}) test files? could not be imported`),
		cause: "Test files could not be imported, so none of the tests ran.",
		remedy: []string{
			"The errors above name the files and lines; they are raised while a file is loaded, not inside a test.",
			"Run `pytest --collect-only` to see them all.",
		},
	},
	{
		id: "no-tests-found", line: re(`no tests ran in|pytest found no tests`),
		cause:  "pytest found no tests.",
		remedy: []string{"Name files test_*.py or *_test.py and functions test_*.", "Say where they are with `tests` in the stage's `with`."},
	},
}
