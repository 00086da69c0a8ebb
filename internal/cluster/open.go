package cluster

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	"github.com/slipwayhq/slipway/internal/pipeline"
)

// Session is what of a stage's session is needed to reach its cluster.
type Session interface {
	Task() pipeline.Task
	Secret(name string) (value string, set bool)
	// Conceal masks a value in everything told from now on.
	Conceal(name, value string) error
}

// Access is a cluster that has answered.
type Access struct {
	*Clients
	// Name is how people know the cluster: "EKS cluster inventory-manager", or its address.
	Name string
	// Namespace is the one of the kubeconfig's context.
	Namespace string
	Version   *version.Info
}

// Open reaches the cluster of the stage's environment. A *Problem says why it could not.
func Open(ctx context.Context, s Session) (*Access, error) {
	config, a, err := target(ctx, s)
	if err != nil {
		return nil, err
	}
	if a.Clients, err = NewClients(config); err != nil {
		return nil, &Problem{Title: "The cluster's credentials cannot be used", Cause: sentence("The credentials of the cluster cannot be used", err), Err: err}
	}
	if a.Version, err = a.Discovery.ServerVersion(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, Explain(err, "tell its version")
	}
	return a, nil
}

// target finds the connection of the environment's cluster.
func target(ctx context.Context, s Session) (*rest.Config, *Access, error) {
	task := s.Task()
	env := task.Environment
	if env == nil || env.Cluster == nil {
		return nil, nil, &Problem{
			Title: "The environment has no cluster",
			Cause: fmt.Sprintf("The environment %s names no cluster: give it `cluster` with `eks`, or with `kubeconfig` and the name of the secret that holds one.", task.Stage.Environment),
		}
	}
	if env.Cluster.EKS != nil {
		return eksTarget(ctx, s, *env.Cluster.EKS)
	}
	name := env.Cluster.Kubeconfig
	text, set := s.Secret(name)
	if !set {
		return nil, nil, &Problem{
			Title: "The cluster's credentials are not here",
			Cause: fmt.Sprintf("The secret %s, which holds the kubeconfig of the environment %s, is not set for this run.", name, env.Name),
		}
	}
	config, namespace, err := Kubeconfig([]byte(text))
	if err != nil {
		return nil, nil, &Problem{Title: "The kubeconfig cannot be used", Cause: sentence("The secret "+name+" is no kubeconfig that can be used", err), Err: err}
	}
	for _, value := range SecretsOf([]byte(text)) {
		if err := s.Conceal(name, value); err != nil {
			return nil, nil, &Problem{Title: "The kubeconfig cannot be used", Cause: sentence("A credential in the secret "+name+" could not be masked", err), Err: err}
		}
	}
	return config, &Access{Name: config.Host, Namespace: namespace}, nil
}

func sentence(text string, err error) string {
	return text + ": " + strings.TrimSuffix(err.Error(), ".") + "."
}
