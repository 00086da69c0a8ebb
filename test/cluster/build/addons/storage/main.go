// Command storage gives each claim for a volume a folder of the node, and removes the folder with the volume.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how the API server is reached")
	name := flag.String("name", "slipway.dev/folder", "the provisioner that storage classes name")
	dir := flag.String("dir", "", "where the folders are made")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := serve(ctx, *kubeconfig, *name, *dir); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, kubeconfig, name, dir string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	controller.NewProvisionController(ctx, client, name, folders{root}, controller.LeaderElection(false)).Run(ctx)
	return nil
}

// folders makes volumes in one folder of the node; each is named after its claim's volume, which is unique.
type folders struct{ root *os.Root }

func (f folders) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	if err := f.root.Mkdir(o.PVName, 0o777); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make the folder of volume %s: %w", o.PVName, err)
	}
	// Pods run as whom they like, and nobody hands a folder of the node over to them.
	if err := f.root.Chmod(o.PVName, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("open the folder of volume %s: %w", o.PVName, err)
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: filepath.Join(f.root.Name(), o.PVName)},
			},
		},
	}, controller.ProvisioningFinished, nil
}

func (f folders) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	if err := f.root.RemoveAll(volume.Name); err != nil {
		return fmt.Errorf("remove the folder of volume %s: %w", volume.Name, err)
	}
	return nil
}
