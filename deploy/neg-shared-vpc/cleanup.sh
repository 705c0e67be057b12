#!/bin/sh
# Takes everything away again, in reverse order: the balancer, the cluster with all that is in it,
# and with `--role` what host-project.sh made, which other clusters of the project may need. A
# cluster of this name goes even if create.sh found it. A DNS record that you made stays.
set -eu
here=$(dirname "$0")
. "$here/common/settings.env"

if gcloud container clusters describe "$CLUSTER" --project "$SERVICE_PROJECT" --region "$REGION" \
    >/dev/null 2>&1; then
  # Whatever cluster kubectl is used with otherwise.
  gcloud container clusters get-credentials "$CLUSTER" --project "$SERVICE_PROJECT" \
    --region "$REGION"
  # Its controller removes the balancer, the endpoint groups and the firewall rule, and must still
  # run then.
  kubectl delete ingress istio-ingressgateway --namespace istio-system --ignore-not-found --wait
  gcloud container clusters delete "$CLUSTER" --project "$SERVICE_PROJECT" --region "$REGION" \
    --quiet
fi

[ "${1:-}" = --role ] || exit 0
if gcloud compute firewall-rules describe "$CLUSTER-balancer" --project "$HOST_PROJECT" \
    >/dev/null 2>&1; then
  gcloud compute firewall-rules delete "$CLUSTER-balancer" --project "$HOST_PROJECT" --quiet
fi
number=$(gcloud projects describe "$SERVICE_PROJECT" --format 'value(projectNumber)')
gcloud projects remove-iam-policy-binding "$HOST_PROJECT" --condition None \
  --member "serviceAccount:service-$number@container-engine-robot.iam.gserviceaccount.com" \
  --role "projects/$HOST_PROJECT/roles/$ROLE"
gcloud iam roles delete "$ROLE" --project "$HOST_PROJECT" --quiet
