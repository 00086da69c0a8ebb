package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// object is a document of JSON, which is what the parts of Kubernetes read besides YAML.
type object map[string]any

// writeAll makes everything that the daemons read: folders, certificates, ways to the API server, settings.
func (c cluster) writeAll() error {
	for _, dir := range []string{"certificates", "access", "config", "config/cni", "config/registries/_default", "kubelet", "volumes", "containerd", "log"} {
		if err := os.MkdirAll(c.file(dir), 0o700); err != nil {
			return err
		}
	}
	// Pods reach their volumes through it.
	if err := os.Chmod(c.file("volumes"), 0o755); err != nil { //nolint:gosec // see above
		return err
	}
	if err := c.writeCertificates(); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := c.writeAccess(); err != nil {
		return fmt.Errorf("write kubeconfigs: %w", err)
	}
	return c.writeSettings()
}

func (c cluster) writeCertificates() error {
	a, err := newAuthority(c.file("certificates"))
	if err != nil {
		return err
	}
	if err := a.keyPair("service-accounts"); err != nil {
		return err
	}
	node, api, local := net.IP(c.Network.node().AsSlice()), net.IP(c.Network.apiService().AsSlice()), net.IPv4(127, 0, 0, 1)
	if err := a.server("kube-apiserver", []net.IP{node, api, local}, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local"); err != nil {
		return err
	}
	if err := a.server("kubelet-server", []net.IP{node}, nodeName); err != nil {
		return err
	}
	for _, who := range clients() {
		if err := a.client(who.file, who.user, who.groups...); err != nil {
			return err
		}
	}
	return nil
}

type client struct {
	file, user string
	groups     []string
}

func clients() []client {
	masters := []string{"system:masters"}
	return []client{
		{"admin", "admin", masters},
		{"apiserver-to-kubelet", "kube-apiserver", masters},
		{"dns", "dns", masters},
		{"storage", "storage", masters},
		{"kubelet", "system:node:" + nodeName, []string{"system:nodes"}},
		{"kube-controller-manager", "system:kube-controller-manager", nil},
		{"kube-scheduler", "system:kube-scheduler", nil},
		{"kube-proxy", "system:kube-proxy", nil},
	}
}

func (c cluster) writeAccess() error {
	for _, who := range clients() {
		if err := c.writeKubeconfig(who.file); err != nil {
			return err
		}
	}
	return nil
}

// writeKubeconfig puts everything into one file, so that it can be given to a test or kept as a secret.
func (c cluster) writeKubeconfig(who string) error {
	read := func(path string) (string, error) {
		text, err := os.ReadFile(path) //nolint:gosec // a file of ours
		return base64.StdEncoding.EncodeToString(text), err
	}
	authority, err := read(c.certificate("ca"))
	if err != nil {
		return err
	}
	certificate, err := read(c.certificate(who))
	if err != nil {
		return err
	}
	key, err := read(c.key(who))
	if err != nil {
		return err
	}
	const name = "slipway-test"
	return record(c.access(who), object{
		"apiVersion": "v1", "kind": "Config", "current-context": name,
		"clusters": []object{{"name": name, "cluster": object{"server": c.server(), "certificate-authority-data": authority}}},
		"users":    []object{{"name": who, "user": object{"client-certificate-data": certificate, "client-key-data": key}}},
		"contexts": []object{{"name": name, "context": object{"cluster": name, "user": who}}},
	})
}

func (c cluster) writeSettings() error {
	for name, document := range map[string]object{
		"kubelet.json":         c.kubelet(),
		"kube-proxy.json":      c.kubeProxy(),
		"cni/10-pods.conflist": c.podNetwork(),
		"storageclass.json":    storageClass(),
	} {
		if err := record(c.config(name), document); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"containerd.toml":                c.containerd(),
		"registries/_default/hosts.toml": fmt.Sprintf("# Whatever an image's registry is called, this one has it.\nserver = \"http://%s\"\n", c.Registry),
		"Corefile":                       c.corefile(),
		"resolv.conf":                    "# The node knows no names but the cluster's.\n",
	} {
		if err := write(c.config(name), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (c cluster) kubelet() object {
	return object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"address":                  c.Network.node().String(),
		"authentication":           object{"anonymous": object{"enabled": false}, "webhook": object{"enabled": true}, "x509": object{"clientCAFile": c.certificate("ca")}},
		"authorization":            object{"mode": "Webhook"},
		"tlsCertFile":              c.certificate("kubelet-server"),
		"tlsPrivateKeyFile":        c.key("kubelet-server"),
		"readOnlyPort":             0,
		"clusterDNS":               []string{c.Network.node().String()},
		"clusterDomain":            "cluster.local",
		"resolvConf":               c.config("resolv.conf"),
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"cgroupDriver":             "cgroupfs",
		"cgroupRoot":               "/" + c.group(),
		"failCgroupV1":             false,
		"failSwapOn":               false,
		"serializeImagePulls":      false,
		// A container that ends is started again at once: that it ends each time is seen in seconds.
		"crashLoopBackOff": object{"maxContainerRestartPeriod": "2s"},
		"featureGates":     object{"KubeletCrashLoopBackOffMax": true},
		// A machine that is nearly full is no reason to end the pods of a test.
		"evictionHard":                object{"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%", "memory.available": "1Mi"},
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
	}
}

func (c cluster) kubeProxy() object {
	return object{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"clientConnection": object{"kubeconfig": c.access("kube-proxy")},
		"hostnameOverride": nodeName,
		"mode":             "iptables",
		"clusterCIDR":      c.Network.pods().String(),
		// These belong to the whole machine.
		"conntrack":          object{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
		"healthzBindAddress": "127.0.0.1:10256",
		"metricsBindAddress": "127.0.0.1:10249",
	}
}

// podNetwork gives each pod a cable of its own to the node, which passes everything on by address: what goes to a
// service is then seen by its rules in both directions.
func (c cluster) podNetwork() object {
	return object{
		"cniVersion": "1.0.0", "name": "pods",
		"plugins": []object{
			{"type": "ptp", "ipam": object{
				"type": "host-local", "dataDir": "/run/cni", "ranges": [][]object{{{"subnet": c.Network.pods().String()}}},
				"routes": []object{{"dst": "0.0.0.0/0"}},
			}},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
}

func storageClass() object {
	return object{
		"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
		"metadata":    object{"name": "folder", "annotations": object{"storageclass.kubernetes.io/is-default-class": "true"}},
		"provisioner": "slipway.dev/folder", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
	}
}

// containerdSocket is in a /run that only the node sees.
const containerdSocket = "/run/containerd/containerd.sock"

// pauseImage is what holds the namespaces of a pod.
const pauseImage = "registry.k8s.io/pause:3.10"

func (c cluster) containerd() string {
	return fmt.Sprintf(`version = 3
root = %q
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.grpc.v1.healthcheck", "io.containerd.internal.v1.tracing", "io.containerd.internal.v1.opt"]
[debug]
  level = "warn"
[grpc]
  address = %q
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = %q
[plugins."io.containerd.cri.v1.images".registry]
  config_path = %q
[plugins."io.containerd.cri.v1.runtime"]
  # Where the machine is itself a container, nobody may go below its own score.
  restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = [%q]
  conf_dir = %q
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
    SystemdCgroup = false
`, c.file("containerd"), containerdSocket, pauseImage, c.config("registries"), cniPrograms, filepath.Dir(c.config("cni/x")))
}

// cniPrograms is where Debian's package has them.
const cniPrograms = "/usr/lib/cni"

func (c cluster) corefile() string {
	return fmt.Sprintf(`.:53 {
    bind %s
    errors
    ready 127.0.0.1:8181
    kubernetes cluster.local in-addr.arpa {
        kubeconfig %s
    }
}
`, c.Network.node(), c.access("dns"))
}
