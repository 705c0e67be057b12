#!/bin/sh
# Calls the service `ads` by its name in the zone: smoke.sh [ADDRESS:PORT]. Without an address the
# Cloud Run service makes the call; where there is no Cloud Run, the Envoy's pod is called. Exits
# with 1 when an answer is not the right one.
set -eu
. "$(dirname "$0")/common/settings.env"

failed=0
expect() {
  wanted=$1
  what=$2
  said=$3
  if [ "$said" = "$wanted" ]; then
    echo "ok: $what -> $wanted"
  else
    echo "WRONG: $what -> $said (expected: $wanted)"
    failed=1
  fi
}

url=
if [ $# -eq 0 ] && command -v gcloud >/dev/null; then
  url=$(gcloud run services describe "$RUN_SERVICE" --region "$REGION" --project "$PROJECT" \
    --format 'value(status.url)' --quiet) || true
fi
if [ -n "$url" ]; then
  # fortio passes the answer on as it got it, so the status is that of `ads`.
  said=$(curl --silent --show-error --max-time 30 --output /dev/null --write-out '%{http_code}' \
    --header "Authorization: Bearer $(gcloud auth print-identity-token)" \
    "$url/fortio/fetch/$HOST") || true
  expect 200 "$url/fortio/fetch/$HOST" "$said"
  exit $failed
fi

if [ $# -gt 0 ]; then
  address=$1
else
  address=$(kubectl -n gatepost get pods --selector app=gatepost-envoy \
    --output jsonpath='{.items[0].status.podIP}'):8080
  echo "gcloud finds no Cloud Run service $RUN_SERVICE: calling the Envoy's pod, $address" >&2
fi
status() {
  curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code}' \
    --header "Host: $1" "http://$address/" 2>&1 || true
}
expect 200 "$HOST" "$(status "$HOST")"
expect 404 "ads.kube-system.$DNS_SUFFIX" "$(status "ads.kube-system.$DNS_SUFFIX")"
expect 404 ads.default.svc.cluster.local "$(status ads.default.svc.cluster.local)"
expect 404 admin.gatepost.internal "$(status admin.gatepost.internal)"
exit $failed
