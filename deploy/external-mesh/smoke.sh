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
  case $said in
    *"$wanted"*) echo "ok: $what -> $wanted" ;;
    *) echo "WRONG: $what -> $said (expected: $wanted)"; failed=1 ;;
  esac
}

url=
if [ $# -eq 0 ] && command -v gcloud >/dev/null; then
  url=$(gcloud run services describe "$RUN_SERVICE" --region "$REGION" --project "$PROJECT" \
    --format 'value(status.url)' 2>/dev/null) || true
fi
if [ -n "$url" ]; then
  # fortio prints the answer that it got, with its status line.
  said=$(curl --silent --show-error --max-time 30 --include \
    --header "Authorization: Bearer $(gcloud auth print-identity-token)" \
    "$url/fortio/fetch/$HOST")
  expect ' 200' "$url/fortio/fetch/$HOST" "$said"
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
