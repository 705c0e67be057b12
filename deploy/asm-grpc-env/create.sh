#!/bin/sh
# What is no Kubernetes object: create.sh [today|as-documented]. The cluster, Istio, the static
# address and its DNS name, and for `today` the balancer's certificate. It may run again.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
form=${1:-today}
case $form in
  today | as-documented) ;;
  *) echo "usage: create.sh [today|as-documented]" >&2; exit 2 ;;
esac
case $HOST in
  *".endpoints.$PROJECT.cloud.goog") ;;
  *) echo "settings.env: HOST does not end in .endpoints.$PROJECT.cloud.goog" >&2; exit 2 ;;
esac
export CLOUDSDK_CORE_PROJECT="$PROJECT"

gcloud services enable container.googleapis.com servicemanagement.googleapis.com

# A GKE Gateway needs its API in the cluster; an Ingress is served with it, too.
gcloud container clusters describe "$CLUSTER_NAME" --location "$CLUSTER_LOCATION" >/dev/null 2>&1 ||
  gcloud container clusters create "$CLUSTER_NAME" --location "$CLUSTER_LOCATION" \
    --machine-type e2-standard-4 --num-nodes 2 --enable-ip-alias \
    --workload-pool "$PROJECT.svc.id.goog" --gateway-api standard
gcloud container clusters get-credentials "$CLUSTER_NAME" --location "$CLUSTER_LOCATION"

# The document installs Anthos Service Mesh 1.11 by asmcli, which is out of support. The gateway
# itself is in the kustomization.
helm upgrade istio-base base --install --repo "$ISTIO_CHARTS" --version "$ISTIO" \
  --namespace istio-system --create-namespace
helm upgrade istiod istiod --install --repo "$ISTIO_CHARTS" --version "$ISTIO" \
  --namespace istio-system --values "$folder/values-istiod.yaml" --wait

gcloud compute addresses describe "$ADDRESS_NAME" --global >/dev/null 2>&1 ||
  gcloud compute addresses create "$ADDRESS_NAME" --global
address=$(gcloud compute addresses describe "$ADDRESS_NAME" --global --format 'value(address)')

# The name that Cloud Endpoints gives to the address.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
spec=$work/dns-spec.yaml      # gcloud goes by the ending
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
# A name that was deleted is kept for 30 days.
gcloud endpoints services undelete "$HOST" --quiet >/dev/null 2>&1 || true
gcloud endpoints services deploy "$spec"

# A GKE Gateway takes its certificate from a map; the Ingress has its ManagedCertificate.
if [ "$form" = today ]; then
  gcloud services enable certificatemanager.googleapis.com
  manager() { gcloud certificate-manager "$@"; }
  manager certificates describe "$CERTIFICATE_MAP" >/dev/null 2>&1 ||
    manager certificates create "$CERTIFICATE_MAP" --domains "$HOST"
  manager maps describe "$CERTIFICATE_MAP" >/dev/null 2>&1 || manager maps create "$CERTIFICATE_MAP"
  manager maps entries describe "$CERTIFICATE_MAP" --map "$CERTIFICATE_MAP" >/dev/null 2>&1 ||
    manager maps entries create "$CERTIFICATE_MAP" --map "$CERTIFICATE_MAP" \
      --certificates "$CERTIFICATE_MAP" --hostname "$HOST"
fi

kubectl wait --for condition=available --timeout 600s deployment --all -n istio-system
kubectl -n istio-system get secret edge2mesh-credential >/dev/null 2>&1 || "$folder/certificate.sh"
