// Package cluster is how stages reach a Kubernetes cluster: a kubeconfig from a secret, or an EKS cluster by its name.
package cluster
