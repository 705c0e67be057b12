#!/bin/sh
# In the service project: a cluster on the shared network, and Istio without its gateway, which the
# kustomizations hold. Before it: the projects, the network, the subnet with its two secondary
# ranges, and host-project.sh.
set -eu
here=$(dirname "$0")
. "$here/common/settings.env"

if ! gcloud container clusters describe "$CLUSTER" --project "$SERVICE_PROJECT" \
    --region "$REGION" >/dev/null 2>&1; then
  gcloud container clusters create "$CLUSTER" --project "$SERVICE_PROJECT" --region "$REGION" \
    --enable-ip-alias \
    --network "projects/$HOST_PROJECT/global/networks/$NETWORK" \
    --subnetwork "projects/$HOST_PROJECT/regions/$REGION/subnetworks/$SUBNET" \
    --cluster-secondary-range-name "$PODS_RANGE" \
    --services-secondary-range-name "$SERVICES_RANGE"
fi
gcloud container clusters get-credentials "$CLUSTER" --project "$SERVICE_PROJECT" \
  --region "$REGION"

helm repo add istio https://istio-release.storage.googleapis.com/charts --force-update
helm upgrade --install istio-base istio/base --version "$ISTIO" --namespace istio-system \
  --create-namespace
helm upgrade --install istiod istio/istiod --version "$ISTIO" --namespace istio-system \
  --values "$here/values-istiod.yaml" --wait
