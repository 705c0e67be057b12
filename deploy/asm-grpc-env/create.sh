#!/bin/sh
# What is no Kubernetes object: create.sh [today|as-documented]. The cluster, Istio, the static
# address and its DNS name, and for `today` the balancer's certificate. It may run again.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
form=${1:-today}

gcloud config set project "$PROJECT"
gcloud services enable container.googleapis.com servicemanagement.googleapis.com

# A GKE Gateway needs its API in the cluster; an Ingress is served with it, too.
gcloud container clusters describe "$CLUSTER_NAME" --location "$CLUSTER_LOCATION" >/dev/null 2>&1 ||
  gcloud container clusters create "$CLUSTER_NAME" --location "$CLUSTER_LOCATION" \
    --machine-type e2-standard-4 --num-nodes 2 --enable-ip-alias \
    --workload-pool "$PROJECT.svc.id.goog" --gateway-api standard
gcloud container clusters get-credentials "$CLUSTER_NAME" --location "$CLUSTER_LOCATION"

# The document installs Anthos Service Mesh 1.11 by asmcli, which is out of support. The gateway
# itself is in the kustomization.
helm upgrade istio-base base --install --repo "$ISTIO_CHARTS" \
  --namespace istio-system --create-namespace
helm upgrade istiod istiod --install --repo "$ISTIO_CHARTS" \
  --namespace istio-system --values "$folder/values-istiod.yaml" --wait

gcloud compute addresses describe "$ADDRESS_NAME" --global >/dev/null 2>&1 ||
  gcloud compute addresses create "$ADDRESS_NAME" --global
address=$(gcloud compute addresses describe "$ADDRESS_NAME" --global --format 'value(address)')

# The name that Cloud Endpoints gives to the address.
spec=$(mktemp)
trap 'rm -f "$spec"' EXIT
cat >"$spec" <<EOF
swagger: "2.0"
info:
  description: "ASM Advent2021 Cloud Endpoints DNS"
  title: "ASM Advent2021 Cloud Endpoints DNS"
  version: "1.0.0"
paths: {}
host: "$HOST"
x-google-endpoints:
- name: "$HOST"
  target: "$address"
EOF
gcloud endpoints services deploy "$spec"

# A GKE Gateway takes its certificate from a map; the Ingress has its ManagedCertificate.
if [ "$form" = today ]; then
  gcloud services enable certificatemanager.googleapis.com
  manager() { gcloud certificate-manager "$@"; }
  manager certificates describe asm-advent2021 >/dev/null 2>&1 ||
    manager certificates create asm-advent2021 --domains "$HOST"
  manager maps describe asm-advent2021 >/dev/null 2>&1 || manager maps create asm-advent2021
  manager maps entries describe asm-advent2021 --map asm-advent2021 >/dev/null 2>&1 ||
    manager maps entries create asm-advent2021 --map asm-advent2021 \
      --certificates asm-advent2021 --hostname "$HOST"
fi

kubectl wait --for condition=available --timeout 600s deployment --all -n istio-system
"$folder/certificate.sh"
