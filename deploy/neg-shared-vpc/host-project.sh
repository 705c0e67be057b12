#!/bin/sh
# In the host project: a role with what GKE's controllers need there, for the cluster's own service
# account of Google's. For an administrator of the network, once for each service project. Without
# it the Ingress has `Forbidden` events and gets no address.
set -eu
. "$(dirname "$0")/common/settings.env"

permissions=compute.subnetworks.use
permissions=$permissions,compute.firewalls.get,compute.firewalls.create
permissions=$permissions,compute.firewalls.update,compute.firewalls.delete
permissions=$permissions,compute.networks.updatePolicy

# A role that was deleted keeps its name for some weeks.
if [ "$(gcloud iam roles describe "$ROLE" --project "$HOST_PROJECT" --format 'value(deleted)' \
    2>/dev/null)" = True ]; then
  gcloud iam roles undelete "$ROLE" --project "$HOST_PROJECT" --quiet
fi
if gcloud iam roles describe "$ROLE" --project "$HOST_PROJECT" >/dev/null 2>&1; then
  gcloud iam roles update "$ROLE" --project "$HOST_PROJECT" --permissions "$permissions" --quiet
else
  gcloud iam roles create "$ROLE" --project "$HOST_PROJECT" --permissions "$permissions" \
    --title "GKE Ingress on the shared VPC" --quiet
fi

number=$(gcloud projects describe "$SERVICE_PROJECT" --format 'value(projectNumber)')
gcloud projects add-iam-policy-binding "$HOST_PROJECT" --condition None \
  --member "serviceAccount:service-$number@container-engine-robot.iam.gserviceaccount.com" \
  --role "projects/$HOST_PROJECT/roles/$ROLE"

# Where an organisation forbids the role's firewall permissions, make the rule by hand instead:
#   host-project.sh --firewall
# The balancer's probes come from these networks, to the ports of both forms.
if [ "${1:-}" = --firewall ]; then
  gcloud compute firewall-rules create "$CLUSTER-balancer" --project "$HOST_PROJECT" \
    --network "$NETWORK" --source-ranges 35.191.0.0/16,130.211.0.0/22 --allow tcp:8080,tcp:15021
fi
