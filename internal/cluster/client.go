package cluster

import (
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// requestTimeout bounds one request; a watch is opened anew before.
const requestTimeout = 30 * time.Second

// Clients are ways to ask one cluster.
type Clients struct {
	Dynamic   dynamic.Interface
	Kube      kubernetes.Interface
	Discovery discovery.CachedDiscoveryInterface
	// Mapper knows the cluster's kinds.
	Mapper meta.ResettableRESTMapper
	// Config and HTTP are those the others use.
	Config *rest.Config
	HTTP   *http.Client
}

// NewClients makes the clients of a connection.
func NewClients(config *rest.Config) (*Clients, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "slipway"
	config.Timeout = requestTimeout
	// The server has limits of its own; the client's are made for controllers.
	config.QPS, config.Burst = 100, 200
	config.WarningHandlerWithContext = warnings{}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	c := &Clients{Config: config, HTTP: client}
	if c.Dynamic, err = dynamic.NewForConfigAndClient(config, client); err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	if c.Kube, err = kubernetes.NewForConfigAndClient(config, client); err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	found, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("client of the cluster: %w", err)
	}
	c.Discovery = memory.NewMemCacheClient(found)
	c.Mapper = restmapper.NewDeferredDiscoveryRESTMapper(c.Discovery)
	return c, nil
}
