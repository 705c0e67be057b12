#!/bin/sh
# Deletes what create.sh and the kustomization made, in reverse order. The cluster goes with all its
# objects.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
gcloud config set project "$PROJECT"
account=$RUN_SERVICE@$PROJECT.iam.gserviceaccount.com

gcloud run services delete "$RUN_SERVICE" --region "$REGION"
# Not there in the form `today`.
gcloud projects remove-iam-policy-binding "$PROJECT" --member "serviceAccount:$account" \
  --role roles/trafficdirector.client --condition None || true
gcloud iam service-accounts delete "$account"

gcloud dns record-sets delete "*.$DNS_SUFFIX." --type A --zone "$ZONE_NAME"
gcloud dns managed-zones delete "$ZONE_NAME"

# The internal load balancer would hold the address, and outlive the cluster.
kubectl -n gatepost delete service gatepost-envoy --ignore-not-found --wait
gcloud compute addresses delete gatepost-envoy --region "$REGION"

gcloud container fleet memberships delete "$CLUSTER_NAME" --location "$REGION"
gcloud container clusters delete "$CLUSTER_NAME" --location "$REGION"
