package main

import (
	"path/filepath"
	"strings"
)

// program is one daemon of the node.
type program struct {
	name string // of its log too
	path string
	args []string
}

// etcdAddress is reached by nobody but the node itself, which has a loopback of its own.
const etcdAddress = "http://127.0.0.1:2379"

// foundations are what the API server and the pods stand on.
func (c cluster) foundations() []program {
	return []program{
		{"etcd", "etcd", []string{
			"--data-dir=" + c.file("etcd"), "--listen-client-urls=" + etcdAddress, "--advertise-client-urls=" + etcdAddress,
			"--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level=warn",
		}},
		{"containerd", c.Programs["containerd"], []string{"--config=" + c.config("containerd.toml")}},
		{"registry", "docker-registry", []string{"serve", registryConfig(c.Place)}},
		{"kube-apiserver", c.Programs["kube-apiserver"], c.apiServer()},
	}
}

func (c cluster) apiServer() []string {
	return []string{
		"--etcd-servers=" + etcdAddress,
		"--bind-address=" + c.Network.node().String(),
		"--secure-port=6443",
		"--tls-cert-file=" + c.certificate("kube-apiserver"),
		"--tls-private-key-file=" + c.key("kube-apiserver"),
		"--client-ca-file=" + c.certificate("ca"),
		"--kubelet-certificate-authority=" + c.certificate("ca"),
		"--kubelet-client-certificate=" + c.certificate("apiserver-to-kubelet"),
		"--kubelet-client-key=" + c.key("apiserver-to-kubelet"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.file("certificates", "service-accounts.pub"),
		"--service-account-signing-key-file=" + c.key("service-accounts"),
		"--service-cluster-ip-range=" + c.Network.services().String(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--profiling=false",
	}
}

// dependents need the API server; they are started when it is ready.
func (c cluster) dependents() []program {
	return []program{
		{"kubelet", c.Programs["kubelet"], []string{
			"--config=" + c.config("kubelet.json"), "--kubeconfig=" + c.access("kubelet"), "--hostname-override=" + nodeName,
			"--node-ip=" + c.Network.node().String(), "--node-labels=topology.kubernetes.io/zone=machine",
		}},
		{"kube-controller-manager", c.Programs["kube-controller-manager"], []string{
			"--kubeconfig=" + c.access("kube-controller-manager"), "--bind-address=127.0.0.1", "--leader-elect=false",
			"--use-service-account-credentials", "--service-account-private-key-file=" + c.key("service-accounts"),
			"--root-ca-file=" + c.certificate("ca"), "--cluster-signing-cert-file=" + c.certificate("ca"),
			"--cluster-signing-key-file=" + c.key("ca"), "--profiling=false",
		}},
		{"kube-scheduler", c.Programs["kube-scheduler"], []string{
			"--kubeconfig=" + c.access("kube-scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
		}},
		{"kube-proxy", c.Programs["kube-proxy"], []string{"--config=" + c.config("kube-proxy.json")}},
		{"dns", c.Programs["dns"], []string{"-conf", c.config("Corefile")}},
		{"storage", c.Programs["storage"], []string{"--kubeconfig=" + c.access("storage"), "--dir=" + c.file("volumes")}},
	}
}

// searchPath has the programs that the daemons call by name.
func (c cluster) searchPath() string {
	return strings.Join([]string{filepath.Dir(c.Programs["containerd-shim-runc-v2"]), "/usr/sbin", "/usr/bin", "/sbin", "/bin"}, ":")
}
