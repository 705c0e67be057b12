#!/bin/sh
# Takes everything away again, in reverse order. The Ingress goes first: its controller removes the
# balancer, the endpoint groups and the firewall rule, and must still run then.
set -eu
here=$(dirname "$0")
. "$here/common/settings.env"

kubectl delete ingress istio-ingressgateway --namespace istio-system --ignore-not-found --wait
kubectl delete namespace application --ignore-not-found
helm uninstall istiod --namespace istio-system --ignore-not-found
helm uninstall istio-base --namespace istio-system --ignore-not-found
kubectl delete namespace istio-system --ignore-not-found
gcloud container clusters delete "$CLUSTER" --project "$SERVICE_PROJECT" --region "$REGION" --quiet

# The role stays as long as another cluster of the project needs it.
number=$(gcloud projects describe "$SERVICE_PROJECT" --format 'value(projectNumber)')
gcloud projects remove-iam-policy-binding "$HOST_PROJECT" --condition None \
  --member "serviceAccount:service-$number@container-engine-robot.iam.gserviceaccount.com" \
  --role "projects/$HOST_PROJECT/roles/$ROLE"
gcloud iam roles delete "$ROLE" --project "$HOST_PROJECT"
