// Package definitions keeps in go.mod the module whose files define Knative's kinds. GKE's kinds are
// the files beside this one. It is a module of its own: in the programs' module Knative would change
// the versions of what Kubernetes and Istio were tested with.
package definitions

// The package has no code, and comes with the files of its folder.
import _ "knative.dev/serving/config/core/300-resources"
