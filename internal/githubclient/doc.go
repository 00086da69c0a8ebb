// Package githubclient talks to GitHub for the App: authenticated clients with a write budget per installation, facts about
// commits and pull requests, and the recovery of missed deliveries.
package githubclient
