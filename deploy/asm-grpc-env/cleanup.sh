#!/bin/sh
# Deletes what create.sh and the kustomization made, in reverse order. The cluster goes with all its
# objects.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
gcloud config set project "$PROJECT"

# The balancer first: without its Ingress or Gateway, GKE deletes the forwarding rules and NEGs that
# would otherwise outlive the cluster and hold the address.
kubectl -n istio-system delete ingress app-ingress --ignore-not-found --wait
kubectl -n istio-system delete gateways.gateway.networking.k8s.io app --ignore-not-found --wait

gcloud container clusters delete "$CLUSTER_NAME" --location "$CLUSTER_LOCATION"
# Only a cluster that joined a fleet has a membership.
if gcloud container fleet memberships describe "$CLUSTER_NAME" >/dev/null 2>&1; then
  gcloud container fleet memberships delete "$CLUSTER_NAME"
fi

manager() { gcloud certificate-manager "$@" --quiet; }
if manager maps describe asm-advent2021 >/dev/null 2>&1; then
  manager maps entries delete asm-advent2021 --map asm-advent2021
  manager maps delete asm-advent2021
  manager certificates delete asm-advent2021
fi
gcloud compute addresses delete "$ADDRESS_NAME" --global
gcloud endpoints services delete "$HOST"
