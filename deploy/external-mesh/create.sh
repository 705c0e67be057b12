#!/bin/sh
# What is no Kubernetes object: create.sh [today|as-documented]. The cluster in its mesh, the
# address, the private zone, and the Cloud Run service with its rights. It may run again.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
form=${1:-today}
case $form in
  today | as-documented) ;;
  *) echo "usage: create.sh [today|as-documented]" >&2; exit 2 ;;
esac
case $HOST in
  *."$DNS_SUFFIX") ;;
  *) echo "settings.env: HOST is not in the zone $DNS_SUFFIX" >&2; exit 2 ;;
esac
export CLOUDSDK_CORE_PROJECT="$PROJECT"

gcloud services enable container.googleapis.com dns.googleapis.com mesh.googleapis.com \
  run.googleapis.com trafficdirector.googleapis.com

# A cluster of Cloud Service Mesh with Google's control plane.
gcloud container fleet mesh enable
gcloud container clusters describe "$CLUSTER_NAME" --location "$REGION" >/dev/null 2>&1 ||
  gcloud container clusters create "$CLUSTER_NAME" --location "$REGION" --network "$NETWORK" \
    --subnetwork "$SUBNETWORK" --num-nodes 1 --enable-ip-alias \
    --workload-pool "$PROJECT.svc.id.goog" --fleet-project "$PROJECT"
gcloud container clusters get-credentials "$CLUSTER_NAME" --location "$REGION"
gcloud container fleet mesh update --management automatic --memberships "$CLUSTER_NAME" \
  --location "$REGION"

# The address that every name of the zone has. Reserved, so nothing else gets it.
gcloud compute addresses describe gatepost-envoy --region "$REGION" >/dev/null 2>&1 ||
  gcloud compute addresses create gatepost-envoy --region "$REGION" --subnet "$SUBNETWORK" \
    --addresses "$ADDRESS"

gcloud dns managed-zones describe "$ZONE_NAME" >/dev/null 2>&1 ||
  gcloud dns managed-zones create "$ZONE_NAME" --description "zone for service mesh routes" \
    --dns-name "$DNS_SUFFIX." --networks "$NETWORK" --visibility private
gcloud dns record-sets describe "*.$DNS_SUFFIX." --type A --zone "$ZONE_NAME" >/dev/null 2>&1 ||
  gcloud dns record-sets create "*.$DNS_SUFFIX." --type A --zone "$ZONE_NAME" \
    --rrdatas "$ADDRESS" --ttl 3600

account=$RUN_SERVICE@$PROJECT.iam.gserviceaccount.com
gcloud iam service-accounts describe "$account" >/dev/null 2>&1 ||
  gcloud iam service-accounts create "$RUN_SERVICE"

if [ "$form" = as-documented ]; then
  # Without this role the sidecar gets no configuration: error 7 in its log.
  gcloud projects add-iam-policy-binding "$PROJECT" --member "serviceAccount:$account" \
    --role roles/trafficdirector.client --condition None
  # The mesh is there some minutes after the cluster joined.
  mesh='' attempts=40
  while [ -z "$mesh" ]; do
    mesh=$(kubectl -n istio-system get controlplanerevision --output \
      jsonpath='{.items[0].metadata.annotations.mesh\.cloud\.google\.com/external-mesh}') || true
    if [ -z "$mesh" ]; then
      attempts=$((attempts - 1))
      [ $attempts -gt 0 ] || { echo "$CLUSTER_NAME is in no mesh after ten minutes" >&2; exit 1; }
      echo "waiting for the mesh of $CLUSTER_NAME" >&2
      sleep 15
    fi
  done
  gcloud alpha run deploy "$RUN_SERVICE" --mesh "$mesh" --network "$NETWORK" \
    --subnet "$SUBNETWORK" \
    --image fortio/fortio --region "$REGION" --service-account "$account" \
    --no-allow-unauthenticated
else
  # Without a sidecar: calls to private addresses leave by the network, and meet the Envoy.
  gcloud run deploy "$RUN_SERVICE" --network "$NETWORK" --subnet "$SUBNETWORK" \
    --vpc-egress private-ranges-only \
    --image fortio/fortio --region "$REGION" --service-account "$account" \
    --no-allow-unauthenticated
fi
