#!/bin/sh
# Deletes what create.sh and the kustomization made, in reverse order; what is gone already is passed
# over. A cluster of this name goes with all its objects, even if create.sh found it. Enabled
# services and the fleet's feature `mesh` stay: other clusters may use them.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"
export CLOUDSDK_CORE_PROJECT="$PROJECT"
account=$RUN_SERVICE@$PROJECT.iam.gserviceaccount.com

if gcloud run services describe "$RUN_SERVICE" --region "$REGION" >/dev/null 2>&1; then
  gcloud run services delete "$RUN_SERVICE" --region "$REGION" --quiet
fi
if gcloud iam service-accounts describe "$account" >/dev/null 2>&1; then
  role=roles/trafficdirector.client
  # Only the form as-documented has it.
  bound=$(gcloud projects get-iam-policy "$PROJECT" --flatten 'bindings[].members' \
    --filter "bindings.role=$role AND bindings.members:$account" --format 'value(bindings.role)')
  if [ -n "$bound" ]; then
    gcloud projects remove-iam-policy-binding "$PROJECT" --member "serviceAccount:$account" \
      --role "$role" --condition None
  fi
  gcloud iam service-accounts delete "$account" --quiet
fi

if gcloud dns managed-zones describe "$ZONE_NAME" >/dev/null 2>&1; then
  if gcloud dns record-sets describe "*.$DNS_SUFFIX." --type A --zone "$ZONE_NAME" \
      >/dev/null 2>&1; then
    gcloud dns record-sets delete "*.$DNS_SUFFIX." --type A --zone "$ZONE_NAME" --quiet
  fi
  gcloud dns managed-zones delete "$ZONE_NAME" --quiet
fi

if gcloud container clusters describe "$CLUSTER_NAME" --location "$REGION" >/dev/null 2>&1; then
  # Whatever cluster kubectl is used with otherwise.
  gcloud container clusters get-credentials "$CLUSTER_NAME" --location "$REGION"
  # The internal load balancer would hold the address, and outlive the cluster.
  kubectl -n gatepost delete service gatepost-envoy --ignore-not-found --wait
  gcloud container clusters delete "$CLUSTER_NAME" --location "$REGION" --quiet
fi
if gcloud compute addresses describe gatepost-envoy --region "$REGION" >/dev/null 2>&1; then
  gcloud compute addresses delete gatepost-envoy --region "$REGION" --quiet
fi
