package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/slipwayhq/slipway/internal/cluster"
	"github.com/slipwayhq/slipway/internal/githubtest"
	"github.com/slipwayhq/slipway/internal/pipelinefile"
)

// demoNamespace is where the example goes.
const demoNamespace = "inventory-manager"

// demoCluster is the cluster that the demo deploys to: the one of KUBECONFIG.
type demoCluster struct {
	client     kubernetes.Interface
	kubeconfig []byte
	// lacks says why there is none.
	lacks string
}

// demoClusterPatience bounds the question whether it answers.
const demoClusterPatience = 10 * time.Second

// findDemoCluster finds the cluster, where there is one that answers and in which the example has a place.
func findDemoCluster(ctx context.Context, images demoImages, say func(string)) demoCluster {
	switch {
	case os.Getenv(clientcmd.RecommendedConfigPathEnvVar) == "":
		return demoCluster{lacks: "the demo has no cluster: KUBECONFIG names none, and make cluster-up has not started one"}
	case images.lacks != "":
		return demoCluster{lacks: "the demo has no image to deploy: " + images.lacks}
	}
	c, where, err := openDemoCluster(ctx)
	if err != nil {
		return demoCluster{lacks: fmt.Sprintf("the cluster of KUBECONFIG cannot be used: %v", err)}
	}
	say("The example is deployed to the cluster of KUBECONFIG, " + where + ", namespace " + demoNamespace + ", which is deleted at the end of the demo.")
	return c
}

func openDemoCluster(ctx context.Context) (c demoCluster, where string, err error) {
	ctx, cancel := context.WithTimeout(ctx, demoClusterPatience)
	defer cancel()
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if err == nil {
		err = errors.Join(clientcmdapi.MinifyConfig(config), clientcmdapi.FlattenConfig(config)) // only what is used, without files
	}
	if err != nil {
		return c, "", err
	}
	if c.kubeconfig, err = clientcmd.Write(*config); err != nil {
		return c, "", err
	}
	way, _, err := cluster.Kubeconfig(c.kubeconfig) // as stages read it: it must not start programs
	if err != nil {
		return c, "", err
	}
	if c.client, err = kubernetes.NewForConfig(way); err != nil {
		return c, "", err
	}
	there, err := c.client.CoreV1().Namespaces().Get(ctx, demoNamespace, metav1.GetOptions{})
	switch {
	case err == nil && there.DeletionTimestamp != nil:
		return c, "", fmt.Errorf("its namespace %s is being deleted: try again in a moment", demoNamespace)
	case err == nil:
		return c, "", fmt.Errorf("its namespace %s is there already: it may be somebody's; delete it if it is not (kubectl delete namespace %s)", demoNamespace, demoNamespace)
	case !apierrors.IsNotFound(err):
		return c, "", err
	}
	return c, way.Host, nil
}

// adapt has the example deployed to the demo's cluster: its credentials come from a secret in place of AWS, and so do those of its
// database. Terraform, for which there is no account, may be left out.
func (c demoCluster) adapt(files githubtest.Files) error {
	if c.client == nil {
		return nil
	}
	text := files[pipelinefile.Path]
	for _, change := range []struct{ from, to string }{
		{"    needs: [terraform-provision]\n", "    needs: [docker-build-push, {stage: terraform-provision, optional: true}]\n    secrets: [KUBECONFIG, MONGO_USERNAME, MONGO_PASSWORD]\n"},
		{"    needs: [kubernetes-deploy]\n", "    needs: [kubernetes-deploy]\n    secrets: [KUBECONFIG]\n"},
		{"cluster: {eks: {name: inventory-manager, region: us-east-1}}", "cluster: {kubeconfig: KUBECONFIG}"},
	} {
		if strings.Count(text, change.from) != 1 {
			return fmt.Errorf("the example's pipeline file does not hold %q once", change.from)
		}
		text = strings.Replace(text, change.from, change.to, 1)
	}
	files[pipelinefile.Path] = text
	files["k8s/secret.yaml"] = `# The values are secrets of the environment: $(NAME) stands for one that the stage names.
apiVersion: v1
kind: Secret
metadata:
  name: inventory-manager-secrets
  namespace: inventory-manager
stringData:
  MONGO_USERNAME: $(MONGO_USERNAME)
  MONGO_PASSWORD: $(MONGO_PASSWORD)
`
	return nil
}

// secrets puts the environment's secrets where the bot looks for them.
func (c demoCluster) secrets(dir string) error {
	if c.client == nil {
		return nil
	}
	dir = filepath.Join(dir, demoRepository, "production")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// The name of the user is a secret, too, and so masked everywhere: it is no word that stands elsewhere.
	for name, value := range map[string]string{"KUBECONFIG": string(c.kubeconfig), "MONGO_USERNAME": "stockkeeper", "MONGO_PASSWORD": rand.Text()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Stop deletes what was deployed.
func (c demoCluster) Stop() error {
	if c.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), demoClusterPatience)
	defer cancel()
	err := c.client.CoreV1().Namespaces().Delete(ctx, demoNamespace, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the namespace %s of the demo: %w", demoNamespace, err)
	}
	return nil
}
