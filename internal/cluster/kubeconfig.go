package cluster

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kubeconfig makes a connection of the text of a kubeconfig. Only what stands in the text itself is used: a kubeconfig that
// starts a program, or names files of this machine, is refused, whoever wrote it.
func Kubeconfig(text []byte) (config *rest.Config, namespace string, err error) {
	loaded, err := clientcmd.Load(text)
	if err != nil {
		// The decoder's error may quote what it read.
		return nil, "", fmt.Errorf("it is no kubeconfig: the text is not the YAML of one")
	}
	current, err := currentContext(loaded)
	if err != nil {
		return nil, "", err
	}
	target, known := loaded.Clusters[current.Cluster]
	if !known || target.Server == "" {
		return nil, "", fmt.Errorf("its context names the cluster %q, which it does not describe", current.Cluster)
	}
	user := loaded.AuthInfos[current.AuthInfo]
	if user == nil {
		return nil, "", fmt.Errorf("its context names the user %q, whom it does not describe", current.AuthInfo)
	}
	if err := selfContained(target, user); err != nil {
		return nil, "", err
	}
	config, err = clientcmd.NewDefaultClientConfig(*loaded, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("it cannot be used: %w", err)
	}
	return config, cmp.Or(current.Namespace, "default"), nil
}

func currentContext(loaded *api.Config) (*api.Context, error) {
	if loaded.CurrentContext == "" && len(loaded.Contexts) == 1 {
		for name := range loaded.Contexts {
			loaded.CurrentContext = name
		}
	}
	current := loaded.Contexts[loaded.CurrentContext]
	switch {
	case current != nil:
		return current, nil
	case loaded.CurrentContext == "":
		return nil, fmt.Errorf("it has no current-context: say which of its %d contexts is meant", len(loaded.Contexts))
	default:
		return nil, fmt.Errorf("its current-context %q is not among its contexts", loaded.CurrentContext)
	}
}

// selfContained refuses what would run a program on this machine or read a file of it.
func selfContained(target *api.Cluster, user *api.AuthInfo) error {
	switch {
	case user.Exec != nil:
		return fmt.Errorf("it starts a program (exec) to log in, which is not allowed: for EKS write `cluster: {eks: {name, region}}`; elsewhere use the token of a service account")
	case user.AuthProvider != nil:
		return fmt.Errorf("it uses the auth-provider %q, which is not allowed: use the token of a service account, or a client certificate in the text", user.AuthProvider.Name)
	}
	var files []string
	for _, f := range []struct{ key, file string }{
		{"certificate-authority", target.CertificateAuthority}, {"client-certificate", user.ClientCertificate},
		{"client-key", user.ClientKey}, {"tokenFile", user.TokenFile},
	} {
		if f.file != "" {
			files = append(files, f.key)
		}
	}
	if len(files) > 0 {
		return fmt.Errorf("it names files of the machine it was written on (%s): `kubectl config view --raw --flatten --minify` puts them into the text", strings.Join(files, ", "))
	}
	return nil
}

// SecretsOf are the values in a kubeconfig that must not be shown: tokens, passwords, keys. The rest of it, such as
// `apiVersion: v1`, is in every manifest.
func SecretsOf(text []byte) []string {
	loaded, err := clientcmd.Load(text)
	if err != nil {
		return nil
	}
	var values []string
	for _, user := range loaded.AuthInfos {
		for _, value := range []string{user.Token, user.Password, string(user.ClientKeyData)} {
			if value != "" {
				values = append(values, value)
			}
		}
	}
	return values
}
