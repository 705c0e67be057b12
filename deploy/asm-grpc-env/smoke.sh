#!/bin/sh
# Calls echo.EchoService in each environment by grpcurl: smoke.sh [ADDRESS:PORT]. Without an address
# it calls HOST, or the gateway's pod where no balancer has an address. Exits with 1 when an answer
# is not the right one.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"

balancer() {
  kubectl -n istio-system get ingress app-ingress --ignore-not-found \
    --output jsonpath='{.status.loadBalancer.ingress[0].ip}'
  kubectl -n istio-system get gateways.gateway.networking.k8s.io app --ignore-not-found \
    --output jsonpath='{.status.addresses[0].value}'
}

pod=
# The certificate of a gateway's own address is the self-signed one. To an address there is no SNI,
# as from the balancer.
direct=-insecure
if [ $# -gt 0 ]; then
  address=$1
elif [ -n "$(balancer 2>/dev/null)" ]; then
  address=$HOST:443
  direct=
else
  kubectl -n istio-system get secret edge2mesh-credential >/dev/null ||
    { echo "smoke.sh: the gateway has no certificate: run certificate.sh first" >&2; exit 1; }
  pod=$(kubectl -n istio-system get pods --selector istio=ingressgateway \
    --output jsonpath='{.items[0].status.podIP}')
  address=$pod:8443
  echo "no balancer has an address: calling the gateway's pod, $address" >&2
fi

call() {
  # shellcheck disable=SC2086 # one option, or none
  grpcurl $direct -max-time 20 -import-path "$folder" -proto echo.proto "$@" \
    "$address" echo.EchoService/Call 2>&1 || true
}

failed=0
is() {                        # WHAT WANTED SEEN
  case $3 in
    *"$2"*) echo "ok: $1 -> $2" ;;
    *) echo "WRONG: $1 -> $3 (expected: $2)"; failed=1 ;;
  esac
}
expect() {
  wanted=$1
  shift
  is "$*" "$wanted" "$(call "$@")"
}
status() {
  curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code}' "$@" 2>&1 ||
    true
}

expect '"message": "Hello World! ServerEnv:env1, ClientEnv:env1"' -rpc-header 'env: env1'
expect '"message": "Hello World! ServerEnv:env2, ClientEnv:env2"' -rpc-header 'env: env2'
# The document's gateway answers neither of these two: without the header there was no route.
expect '"message": "Hello World! ServerEnv:env1, ClientEnv:"' -rpc-header 'smoke: no-env'
expect 'Unimplemented' -rpc-header 'env: nowhere'
if [ -n "$pod" ]; then
  # The balancer marks what comes through it, so these are probes at a pod only.
  is "the balancer's probe" 200 "$(status --user-agent GoogleHC/1.0 "http://$pod:8080/")"
  is "the kubelet's probe" 200 \
    "$(status --user-agent gatepost-readiness "http://$pod:8080/healthz/ready")"
  is "a client at a service's own name" 404 \
    "$(status --header 'Host: app-service.env1.svc.cluster.local:50051' "http://$pod:8080/")"
fi
exit $failed
