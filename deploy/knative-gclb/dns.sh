#!/bin/sh
# The A record of the custom domain, at the *Ingress's* address. What Knative's DomainMapping or the
# Service of type LoadBalancer shows is another balancer's, without TLS.
#
#   ./dns.sh NAMESPACE      # gke-system as documented, istio-system today
set -eu
. "$(dirname "$0")/common/settings.env"
namespace=${1:?the namespace of the Ingress}

address=$(kubectl get ingress my-ingress --namespace "$namespace" \
  --output 'jsonpath={.status.loadBalancer.ingress[0].ip}')
[ -n "$address" ] || { echo "the Ingress has no address yet: kubectl describe it" >&2; exit 1; }
do=create
if gcloud dns record-sets describe "$DOMAIN." --project "$PROJECT" --zone "$DNS_ZONE" --type A \
    >/dev/null 2>&1; then
  do=update
fi
gcloud dns record-sets $do "$DOMAIN." --project "$PROJECT" --zone "$DNS_ZONE" --type A --ttl 300 \
  --rrdatas "$address"
