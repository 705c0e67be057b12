// The definitions of kinds that neither Istio nor the Gateway API brings, for the mesh of the tests.
module gatepost/e2e/mesh/definitions

go 1.26.0

require knative.dev/serving v0.51.0
