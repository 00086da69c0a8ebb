package pipelinefile

// PythonSettings is `with` of a python stage.
type PythonSettings struct {
	// Python is empty where the stage finds the version out itself.
	Python       string   `json:"python,omitempty" doc:"The version of Python, in quotes: other YAML tools read an unquoted 3.10 as 3.1. Without it .python-version, requires-python, else 3.13." rule:"scalar" format:"version"`
	Requirements []string `json:"requirements,omitempty" doc:"Requirement files; without it those the repository has." format:"path" rule:"unique"`
	Tests        []string `json:"tests,omitempty" doc:"Files, folders or node ids given to pytest; without it pytest finds them." format:"path"`
	Args         []string `json:"args,omitempty" doc:"Further arguments of pytest." rule:"scalar empty"`
	// CoverageMin is nil where no minimum is asked.
	CoverageMin *float64 `json:"coverage-min,omitempty" doc:"The stage fails when fewer percent of the lines are covered." min:"0" max:"100"`
	Codecov     bool     `json:"codecov" doc:"Whether coverage is uploaded to Codecov."`
}

// PythonSecuritySettings is `with` of a python-security stage.
type PythonSecuritySettings struct {
	Flake8       Tool   `json:"flake8" doc:"Code style." default:"true"`
	Bandit       Tool   `json:"bandit" doc:"Security of the code." default:"true"`
	Dependencies Tool   `json:"dependencies" doc:"Known vulnerabilities of the dependencies." default:"true"`
	FailOn       string `json:"fail-on" doc:"The least severity that fails the stage." enum:"none low medium high critical" default:"critical"`
}

// ImageSettings is `with` of an image stage.
type ImageSettings struct {
	// Repository is empty only where Push is never.
	Repository string            `json:"repository,omitempty" doc:"The image repository, such as docker.io/acme/app; needed unless push is never." format:"image-repository"`
	Context    string            `json:"context" doc:"The build context." default:"." format:"path"`
	Dockerfile string            `json:"dockerfile,omitempty" doc:"The Dockerfile; without it the one in the context." format:"path"`
	Target     string            `json:"target,omitempty" doc:"The stage of the Dockerfile to build." format:"name"`
	Platforms  []string          `json:"platforms,omitempty" doc:"Platforms to build for; without it the builder's own." format:"platform" rule:"unique"`
	BuildArgs  map[string]string `json:"build-args,omitempty" doc:"Build arguments." keys:"terraform-variable" rule:"scalar empty"`
	Tags       []string          `json:"tags" doc:"branch, sha (in full) and latest (on the default branch only), or tags of your own." default:"branch sha latest" format:"image-tag" rule:"some unique scalar"`
	Push       string            `json:"push" doc:"auto pushes what is pushed or deployed, never what only a pull request proposes; never builds and scans only." enum:"auto never" default:"auto"`
	Cache      string            `json:"cache" doc:"Where the build cache is kept; without a repository, registry means local." enum:"registry local none" default:"registry"`
	Scan       ScanSettings      `json:"scan" doc:"The vulnerability scan of the image."`
	SBOM       bool              `json:"sbom" doc:"Whether a software bill of materials is attached." default:"true"`
	Provenance bool              `json:"provenance" doc:"Whether a provenance attestation is attached." default:"true"`
}

// ScanSettings is `scan` of an image stage.
type ScanSettings struct {
	FailOn        string `json:"fail-on" doc:"The least severity that fails the stage." enum:"none low medium high critical" default:"critical"`
	IgnoreUnfixed bool   `json:"ignore-unfixed" doc:"Whether vulnerabilities without a fix are left out."`
}

// Values of ImageSettings.Push and Cache that code compares with.
const (
	PushNever  = "never"
	CacheLocal = "local"
)

func checkImage(d *decoder, settings any, at path) {
	image, ok := settings.(*ImageSettings)
	if !ok || image.Repository != "" {
		return
	}
	if image.Push != PushNever && !d.has(at.key("repository")) {
		d.keyProblemf(at, "has no repository: say where the image is pushed to, such as docker.io/acme/app, or write push: never")
	}
	if image.Cache == "registry" {
		image.Cache = CacheLocal
	}
}

// SummarySettings is `with` of a summary stage: it has none.
type SummarySettings struct{}
