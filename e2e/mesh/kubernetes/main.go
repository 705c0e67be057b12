// kubernetes is four of Kubernetes' programs in one file, by the name that it is called by:
// kube-apiserver, with its etcd in the same process, kube-controller-manager, kube-proxy and kubectl.
// Admission, validation, storage, controllers and the addresses of Services are the real ones;
// nothing lasts.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
)

// etcdReadyWithin is how long etcd may take to elect itself.
const etcdReadyWithin = 30 * time.Second

func main() {
	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "kubectl":
		command = kubectl.NewDefaultKubectlCommand()
	case "kube-controller-manager":
		command = controllers.NewControllerManagerCommand()
	case "kube-proxy":
		command = proxy.NewProxyCommand()
	case "kube-apiserver":
		etcd, err := startEtcd()
		if err != nil {
			fmt.Fprintf(os.Stderr, "etcd: %v\n", err)
			os.Exit(1)
		}
		if err := writeKey("service-accounts.key"); err != nil {
			fmt.Fprintf(os.Stderr, "the key of service accounts: %v\n", err)
			os.Exit(1)
		}
		command = app.NewAPIServerCommand()
		command.SetArgs(append([]string{"--etcd-servers=" + etcd}, os.Args[1:]...))
	default:
		fmt.Fprintf(os.Stderr, "%s: call it as one of Kubernetes' programs\n", name)
		os.Exit(2)
	}
	os.Exit(cli.Run(command))
}

// startEtcd runs etcd in this folder, and returns its address for clients. Its limit for a request
// is that of real clusters, and its ports are etcd's own: the network is the mesh's alone.
func startEtcd() (string, error) {
	config := embed.NewConfig()
	config.Dir = "etcd"
	config.LogLevel = "error"
	config.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return config.ListenClientUrls[0].String(), nil
	case err := <-etcd.Err():
		return "", err
	case <-time.After(etcdReadyWithin):
		return "", fmt.Errorf("not ready after %v", etcdReadyWithin)
	}
}

// writeKey writes a new private key, by which the API server signs the tokens of service accounts.
func writeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	block := pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}
	return os.WriteFile(path, pem.EncodeToMemory(&block), 0o600)
}
