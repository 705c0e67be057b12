#!/bin/sh
# Takes everything away again, in reverse order: the record, the balancer, what uses it, the cluster
# with all that is in it, and the firewall rule. A cluster of this name goes even if create.sh found
# it.
set -eu
. "$(dirname "$0")/common/settings.env"

if gcloud dns record-sets describe "$DOMAIN." --project "$PROJECT" --zone "$DNS_ZONE" --type A \
    >/dev/null 2>&1; then
  gcloud dns record-sets delete "$DOMAIN." --project "$PROJECT" --zone "$DNS_ZONE" --type A --quiet
fi
if gcloud container clusters describe "$CLUSTER" --project "$PROJECT" --zone "$ZONE" \
    >/dev/null 2>&1; then
  # Whatever cluster kubectl is used with otherwise.
  gcloud container clusters get-credentials "$CLUSTER" --project "$PROJECT" --zone "$ZONE"
  # The Ingress's controller removes the balancer, and must still run then.
  for namespace in gke-system istio-system; do
    kubectl delete ingress my-ingress --namespace "$namespace" --ignore-not-found --wait
  done
  # Knative, Istio and their objects go with the cluster.
  gcloud container clusters delete "$CLUSTER" --project "$PROJECT" --zone "$ZONE" --quiet
fi
if gcloud compute firewall-rules describe "$CLUSTER-webhooks" --project "$PROJECT" \
    >/dev/null 2>&1; then
  gcloud compute firewall-rules delete "$CLUSTER-webhooks" --project "$PROJECT" --quiet
fi
