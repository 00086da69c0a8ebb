// Package pythonenv finds the Python interpreter a repository asks for and keeps finished virtual environments.
//
// Its callers are stages; it runs everything through their session, so that what a repository's requirement files make
// pip do happens in the stage's sandbox.
package pythonenv

// ProjectCache is the cache folder of environments with a repository's own requirements: stages that need the same
// requirements share them by using the same name.
const ProjectCache = "python"
