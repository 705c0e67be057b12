#!/bin/sh
# The documents' two patches of the public gateway's Service, for `as-documented` only: a domain of
# the add-on was mapped while the Service had an address of its own, and then it went back.
#
#   ./service-type.sh loadbalancer
#   ./service-type.sh nodeport
set -eu
patch=$(dirname "$0")/service-type/to-${1:?loadbalancer or nodeport}.json
[ -f "$patch" ] || { echo "there is no $patch: loadbalancer or nodeport" >&2; exit 2; }
kubectl patch service istio-ingress --namespace gke-system --type json --patch-file "$patch" \
  --dry-run=client --output yaml | kubectl apply --server-side --field-manager gatepost --force-conflicts --filename -
