// istio is three of Istio's programs in one file, by the name that it is called by:
// pilot-discovery is the control plane (istiod), pilot-agent runs a gateway's Envoy, and istioctl.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	mesh "istio.io/api/mesh/v1alpha1"
	istioctl "istio.io/istio/istioctl/cmd"
	pilotagent "istio.io/istio/pilot/cmd/pilot-agent/app"
	discovery "istio.io/istio/pilot/cmd/pilot-discovery/app"
	agent "istio.io/istio/pkg/istio-agent"
	"istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/nodeagent/sds"
)

func main() {
	var command *cobra.Command
	switch name := filepath.Base(os.Args[0]); name {
	case "pilot-discovery":
		command = discovery.NewRootCommand()
	case "pilot-agent":
		command = pilotagent.NewRootCommand(secrets)
	case "istioctl":
		command = istioctl.GetRootCmd(os.Args[1:])
	default:
		fmt.Fprintf(os.Stderr, "%s: call it as pilot-discovery, pilot-agent or istioctl\n", name)
		os.Exit(2)
	}
	if err := command.Execute(); err != nil {
		os.Exit(1)
	}
}

// secrets serves a gateway's certificates to its Envoy.
func secrets(
	options *security.Options, manager security.SecretManager, keys *mesh.PrivateKeyProvider,
) agent.SDSService {
	return sds.NewServer(options, manager, keys)
}
