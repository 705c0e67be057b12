#!/bin/sh
# Deletes what create.sh and the kustomization made; what is gone already is passed over. A cluster
# of this name goes with all its objects, even if create.sh found it. Enabled services stay.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
export CLOUDSDK_CORE_PROJECT="$PROJECT"

if gcloud container clusters describe "$CLUSTER_NAME" --location "$CLUSTER_LOCATION" \
    >/dev/null 2>&1; then
  # Whatever cluster kubectl is used with otherwise.
  gcloud container clusters get-credentials "$CLUSTER_NAME" --location "$CLUSTER_LOCATION"
  # GKE deletes what it made of them, which would outlive the cluster and hold the address.
  kubectl -n istio-system delete ingress app-ingress --ignore-not-found --wait
  kubectl -n istio-system delete managedcertificate gke-ingress-cert --ignore-not-found --wait
  kubectl -n istio-system delete gateways.gateway.networking.k8s.io app --ignore-not-found --wait
  kubectl -n istio-system delete service istio-ingressgateway --ignore-not-found --wait
  kubectl -n istio-system wait --for delete --timeout 300s servicenetworkendpointgroups --all
  gcloud container clusters delete "$CLUSTER_NAME" --location "$CLUSTER_LOCATION" --quiet
fi
# Only a cluster that joined a fleet has a membership.
if gcloud container fleet memberships describe "$CLUSTER_NAME" >/dev/null 2>&1; then
  gcloud container fleet memberships delete "$CLUSTER_NAME" --quiet
fi

manager() { gcloud certificate-manager "$@" --quiet; }
if manager maps describe "$CERTIFICATE_MAP" >/dev/null 2>&1; then
  manager maps entries delete "$CERTIFICATE_MAP" --map "$CERTIFICATE_MAP"
  manager maps delete "$CERTIFICATE_MAP"
  manager certificates delete "$CERTIFICATE_MAP"
fi
# The name first: it would lead to an address that is somebody else's.
if gcloud endpoints services describe "$HOST" >/dev/null 2>&1; then
  gcloud endpoints services delete "$HOST" --quiet
fi
if gcloud compute addresses describe "$ADDRESS_NAME" --global >/dev/null 2>&1; then
  gcloud compute addresses delete "$ADDRESS_NAME" --global --quiet
fi
