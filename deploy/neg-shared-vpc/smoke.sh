#!/bin/sh
# Whether the system works: requests to the balancer, or to a gateway's pod by its URL.
#
#   ./smoke.sh                          # the Ingress, or the pods where it has no address
#   ./smoke.sh http://10.10.1.2:8080    # a pod, past the balancer
set -eu
. "$(dirname "$0")/common/settings.env"
url=${1:-}
address=
if [ -z "$url" ]; then
  address=$(kubectl get ingress istio-ingressgateway --namespace istio-system \
    --output 'jsonpath={.status.loadBalancer.ingress[0].ip}')
  url=https://$address
fi
if [ "$url" = https:// ]; then
  url=$(kubectl get pods --namespace istio-system --selector istio=ingressgateway \
    --output 'jsonpath=http://{.items[0].status.podIP}:8080')
  echo "the Ingress has no address: calling a gateway's pod, $url" >&2
fi

failed=0
expect() {                    # NAME STATUS CURL-ARGUMENTS...
  name=$1 wanted=$2
  shift 2
  status=$(curl --silent --insecure --max-time 10 --output /dev/null \
    --write-out '%{http_code}' "$@") || true
  if [ "$status" = "$wanted" ]; then
    echo "ok      $status  $name"
  else
    echo "FAILED  $status  $name: expected $wanted"
    failed=1
  fi
}

expect "the public host" 200 --header "Host: $DOMAIN" "$url/"
# The Ingress has no other host, so these are requests to a pod only.
if [ -z "$address" ]; then
  expect "in capitals, with a dot and a port" 200 \
    --header "Host: $(printf %s "$DOMAIN" | tr a-z A-Z).:443" "$url/"
  expect "a name inside the cluster is refused" 404 \
    --header "Host: istiod.istio-system.svc.cluster.local" "$url/"
  expect "the readiness endpoint is no client's" 404 \
    --header "Host: istio-ingressgateway.istio-system.svc.cluster.local:15021" "$url/healthz/ready"
  # The balancer adds `via` to what comes through it, so these are probes at a pod only.
  expect "the balancer's default probe" 200 --user-agent GoogleHC/1.0 "$url/"
  expect "the balancer's probe of the BackendConfig's path" 200 --user-agent GoogleHC/1.0 \
    "$url/healthz/ready"
  expect "the kubelet's probe" 200 --user-agent gatepost-readiness "$url/healthz/ready"
  expect "a client that forges the probe came through the balancer" 404 \
    --user-agent GoogleHC/1.0 --header "via: 1.1 google" "$url/"
else
  # As documented no answer, today a redirect.
  plain=$(curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' \
    --header "Host: $DOMAIN" "http://$address/") || true
  [ "$plain" != 200 ] || { echo "FAILED  200  plain HTTP is served"; failed=1; }
  kubectl get pods --namespace istio-system --selector istio=ingressgateway --output wide
fi
exit $failed
