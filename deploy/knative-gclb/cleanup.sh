#!/bin/sh
# Takes everything away again, in reverse order. The Ingress goes first: its controller removes the
# balancer and must still run then.
set -eu
. "$(dirname "$0")/common/settings.env"

gcloud dns record-sets delete "$DOMAIN." --project "$PROJECT" --zone "$DNS_ZONE" --type A --quiet ||
  echo "no record of $DOMAIN in $DNS_ZONE"
for namespace in gke-system istio-system; do
  kubectl delete ingress my-ingress --namespace "$namespace" --ignore-not-found --wait
done
kubectl delete domainmappings.serving.knative.dev "$DOMAIN" --namespace default --ignore-not-found
kubectl delete clusterdomainclaims.networking.internal.knative.dev "$DOMAIN" --ignore-not-found
kubectl delete services.serving.knative.dev my-service internal-my-service --namespace default \
  --ignore-not-found
kubectl delete namespace gke-system --ignore-not-found
gcloud container clusters delete "$CLUSTER" --project "$PROJECT" --zone "$ZONE" --quiet
