package smoke

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/internal/cluster"
)

// endpoint is where requests go.
type endpoint struct {
	client *http.Client
	// base is the address that paths are put behind.
	base string
	// host is the name the service is asked by, where its address is another.
	host string
	// proxied: the API server passes requests on, and its own credentials go with them.
	proxied bool
	// said is the way in words.
	said string
}

func (e endpoint) url(path string) string { return strings.TrimSuffix(e.base, "/") + path }

// endpoint finds the way to what is to be asked.
func (t *test) endpoint(ctx context.Context) (endpoint, error) {
	if t.settings.URL != "" {
		return endpoint{client: t.direct(""), base: t.settings.URL, said: t.settings.URL}, nil
	}
	access, err := cluster.Open(ctx, t.s)
	if err != nil {
		return endpoint{}, err
	}
	t.access = access
	if t.namespace, err = t.home(access.Namespace); err != nil {
		return endpoint{}, err
	}
	service, err := access.Kube.CoreV1().Services(t.namespace).Get(ctx, t.settings.Service, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return endpoint{}, failf("There is no such service", "The namespace %s has no service %s: check `service` and `namespace` of the stage. %s",
			t.namespace, t.settings.Service, t.services(ctx))
	}
	if err != nil {
		return endpoint{}, cluster.Explain(err, "read the service "+t.settings.Service)
	}
	port, err := portOf(service, t.settings.Port)
	if err != nil {
		return endpoint{}, err
	}
	if way, found := t.balanced(service, port); found {
		return way, nil
	}
	if way, found := t.throughIngress(ctx, service); found {
		return way, nil
	}
	return t.proxied(service, port), nil
}

// outputSuffix ends the variable in which a kubernetes stage tells its namespace.
const outputSuffix = "_KUBERNETES_NAMESPACE"

// masked is what stands where the value of a secret was.
const masked = "***"

// home is the namespace of the service: what the stage says, else where a stage before deployed to, else the credentials'.
func (t *test) home(fallback string) (string, error) {
	if t.settings.Namespace != "" {
		return t.settings.Namespace, nil
	}
	var told []string
	for name, value := range t.task.Env {
		if strings.HasPrefix(name, "SLIPWAY_OUTPUT_") && strings.HasSuffix(name, outputSuffix) && !slices.Contains(told, value) {
			told = append(told, value)
		}
	}
	switch {
	case len(told) != 1:
		return fallback, nil
	case strings.Contains(told[0], masked):
		return "", failf("The namespace is masked", "A part of the namespace's name is also the value of a secret, so that it reached this stage as %s. Name it: `namespace` of the stage. Better still, choose a secret that is no part of other names.", told[0])
	}
	return told[0], nil
}

// services lists what there is instead.
func (t *test) services(ctx context.Context) string {
	list, err := t.access.Kube.CoreV1().Services(t.namespace).List(ctx, metav1.ListOptions{})
	if err != nil || len(list.Items) == 0 {
		return "There is none at all."
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Name)
	}
	const shown = 10
	return "There is " + strings.Join(names[:min(len(names), shown)], ", ") + "."
}

func portOf(service *corev1.Service, wanted int) (corev1.ServicePort, error) {
	if len(service.Spec.Ports) == 0 {
		return corev1.ServicePort{}, failf("The service has no port", "The service %s has no port.", service.Name)
	}
	if wanted == 0 {
		return service.Spec.Ports[0], nil
	}
	var have []string
	for _, p := range service.Spec.Ports {
		if int(p.Port) == wanted {
			return p, nil
		}
		have = append(have, strconv.Itoa(int(p.Port)))
	}
	return corev1.ServicePort{}, failf("The service has no such port", "The service %s has no port %d; it has %s.", service.Name, wanted, strings.Join(have, ", "))
}

func secure(p corev1.ServicePort) bool {
	if p.AppProtocol != nil {
		return strings.EqualFold(*p.AppProtocol, "https")
	}
	return p.Port == 443 || p.Name == "https" || strings.HasPrefix(p.Name, "https-")
}

func scheme(isSecure bool) string {
	if isSecure {
		return "https"
	}
	return "http"
}

// balanced is the address of the service's own load balancer.
func (t *test) balanced(service *corev1.Service, port corev1.ServicePort) (endpoint, bool) {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer || len(service.Status.LoadBalancer.Ingress) == 0 {
		return endpoint{}, false
	}
	at := service.Status.LoadBalancer.Ingress[0]
	host := cmp.Or(at.Hostname, at.IP)
	if host == "" {
		return endpoint{}, false
	}
	base := scheme(secure(port)) + "://" + net.JoinHostPort(host, strconv.Itoa(int(port.Port)))
	return endpoint{client: t.direct(""), base: base, said: "load balancer " + base}, true
}

// throughIngress is the address of an Ingress that leads every checked path to the service.
func (t *test) throughIngress(ctx context.Context, service *corev1.Service) (endpoint, bool) {
	list, err := t.access.Kube.NetworkingV1().Ingresses(t.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		t.s.Log("Ingresses cannot be listed, so that the service is asked through the API server: " + cluster.Explain(err, "list ingresses").Error())
		return endpoint{}, false
	}
	for _, ingress := range list.Items {
		if len(ingress.Status.LoadBalancer.Ingress) == 0 {
			continue
		}
		at := ingress.Status.LoadBalancer.Ingress[0]
		for _, rule := range ingress.Spec.Rules {
			if rule.Host == "" || strings.Contains(rule.Host, "*") || !t.leads(rule, service.Name) {
				continue
			}
			isSecure := slices.ContainsFunc(ingress.Spec.TLS, func(tls networkingv1.IngressTLS) bool { return slices.Contains(tls.Hosts, rule.Host) })
			base := scheme(isSecure) + "://" + rule.Host
			// The name may not be known everywhere yet: the balancer is asked by its own address.
			return endpoint{client: t.direct(cmp.Or(at.Hostname, at.IP)), base: base, host: rule.Host, said: "ingress " + ingress.Name + ", " + base}, true
		}
	}
	return endpoint{}, false
}

func (t *test) leads(rule networkingv1.IngressRule, service string) bool {
	if rule.HTTP == nil {
		return false
	}
	for _, check := range t.settings.Checks {
		if !slices.ContainsFunc(rule.HTTP.Paths, func(p networkingv1.HTTPIngressPath) bool {
			return p.Backend.Service != nil && p.Backend.Service.Name == service && strings.HasPrefix(check.Path, strings.TrimSuffix(p.Path, "/"))
		}) {
			return false
		}
	}
	return true
}

// proxied asks through the API server: it works without a load balancer, and from outside of the cluster's network.
func (t *test) proxied(service *corev1.Service, port corev1.ServicePort) endpoint {
	name := service.Name + ":" + strconv.Itoa(int(port.Port))
	if secure(port) {
		name = "https:" + name
	}
	base := strings.TrimSuffix(hostURL(t.access.Config.Host), "/") + "/api/v1/namespaces/" + url.PathEscape(t.namespace) + "/services/" + name + "/proxy"
	client := *t.access.HTTP
	client.CheckRedirect = noRedirect
	return endpoint{client: &client, base: base, proxied: true, said: fmt.Sprintf("service %s in %s, port %d, through the API server", service.Name, t.namespace, port.Port)}
}

func hostURL(host string) string {
	if strings.Contains(host, "://") {
		return host
	}
	return "https://" + host
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
