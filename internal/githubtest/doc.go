// Package githubtest is a GitHub that lives in one process: stateful, as strict as the real one about authentication,
// permissions and limits, serving real git repositories over HTTP and sending signed webhooks.
package githubtest
