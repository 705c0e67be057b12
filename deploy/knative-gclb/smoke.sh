#!/bin/sh
# The document's acceptance test: two requests through the Ingress. Or, with URLs, requests to the
# gateways' pods: what is public, what is private, and what is a probe.
#
#   ./smoke.sh                                              # the Ingress, if it has an address
#   ./smoke.sh http://10.10.1.6:80 http://10.10.1.5:80      # the public gateway, the local one
set -eu
. "$(dirname "$0")/common/settings.env"
failed=0

ingress_address() {
  for namespace in gke-system istio-system; do
    kubectl get ingress my-ingress --namespace "$namespace" --ignore-not-found \
      --output 'jsonpath={.status.loadBalancer.ingress[0].ip}'
  done
}
pod_url() {                   # NAMESPACE LABEL PORT
  kubectl get pods --namespace "$1" --selector "$2" \
    --output "jsonpath=http://{.items[0].status.podIP}:$3"
}

public=${1:-} local=${2:-} address=
if [ -n "$public" ]; then
  : "${local:?the URL of the local gateway}"
else
  address=$(ingress_address)
  if [ -z "$address" ]; then
    if kubectl get namespace gke-system >/dev/null 2>&1; then
      public=$(pod_url gke-system istio=ingress-gke-system 80)
      local=$(pod_url gke-system istio=cluster-local-gateway 80)
    else
      public=$(pod_url istio-system istio=ingressgateway 8080)
      local=$(pod_url istio-system istio=ingressgateway 8081)
    fi
    echo "the Ingress has no address: calling the gateways' pods, $public and $local" >&2
  fi
fi

report() {                    # NAME WANTED SEEN
  if [ "$2" = "$3" ]; then echo "ok      $3  $1"; else
    echo "FAILED  $3  $1: expected $2"
    failed=1
  fi
}
status() {
  curl --silent --max-time 60 --output /dev/null --write-out '%{http_code}' "$@" || true
}

through_the_ingress() {       # NAME CURL-ARGUMENTS...
  name=$1
  shift
  headers=$(curl --silent --insecure --max-time 60 --dump-header - --output /dev/null "$@" |
    tr -d '\r') || true
  for wanted in "HTTP/2 200" "content-length: 2" "content-type: text/plain; charset=utf-8" \
      "server: istio-envoy" "via: 1.1 google"; do
    seen=missing
    if printf '%s\n' "$headers" | sed 's/ *$//' | grep -qxF "$wanted"; then seen=there; fi
    report "$name: $wanted" there "$seen"
  done
}

if [ -z "$address" ]; then
  expect() { name=$1 wanted=$2; shift 2; report "$name" "$wanted" "$(status "$@")"; }

  expect "the custom domain" 200 --header "Host: $DOMAIN" "$public/"
  expect "the custom domain, in capitals, with a dot and a port" 200 \
    --header "Host: $(printf %s "$DOMAIN" | tr a-z A-Z).:443" "$public/"
  expect "the service's own host" 200 --header "Host: my-service.default.example.com" "$public/"
  expect "another domain" 404 --header "Host: evil-$DOMAIN" "$public/"
  expect "the balancer's probe" 200 --user-agent GoogleHC/1.0 "$public/"
  expect "the balancer's probe with a mapped domain" 200 --user-agent GoogleHC/1.0 \
    --header "Host: $DOMAIN" "$public/?q"
  expect "the kubelet's probe" 200 --user-agent gatepost-readiness "$public/healthz/ready"
  expect "no probe: HEAD" 404 --head --user-agent GoogleHC/1.0 "$public/"
  expect "no probe: another path" 404 --user-agent GoogleHC/1.0 "$public/x"
  expect "no probe: googlehc" 404 --user-agent googlehc/1.0 "$public/"
  expect "no probe: a user agent that contains GoogleHC" 404 --user-agent "x GoogleHC/1.0" \
    "$public/"
  expect "no probe: it came through the balancer" 404 --user-agent gatepost-readiness \
    --header "via: 1.1 google" "$public/healthz/ready"
  for host in my-service.default my-service.default.svc my-service.default.svc.cluster.local \
      internal-my-service.default internal-my-service.default.svc.cluster.local \
      internal-my-service.default.svc:80; do
    expect "outside, $host is refused" 404 --header "Host: $host" "$public/"
    expect "inside, $host is served" 200 --header "Host: $host" "$local/"
  done
  expect "outside, internal-my-service has no public host" 404 \
    --header "Host: internal-my-service.default.example.com" "$public/"
  name=http://internal-my-service.default.svc.cluster.local/ ended=0
  curl --silent --max-time 60 --output /dev/null "$name" || ended=$?
  # 6: this machine does not know the names of the cluster.
  [ "$ended" = 6 ] || expect "inside, internal-my-service is served by its name" 200 "$name"
  expect "inside, the public name is not served" 404 --header "Host: $DOMAIN" "$local/"
else
  through_the_ingress "by the Ingress's address" --header "Host: $DOMAIN" "https://$address"
  through_the_ingress "by the domain's name" "https://$DOMAIN"
  report "the record of $DOMAIN" "$address" "$(curl --silent --insecure --max-time 60 \
    --output /dev/null --write-out '%{remote_ip}' "https://$DOMAIN" || true)"
  plain=$(status --header "Host: $DOMAIN" "http://$address/")
  if [ "$plain" = 200 ]; then report "plain HTTP is not served" refused served; fi
  report "the service's own host" 200 \
    "$(status --insecure --header "Host: my-service.default.example.com" "https://$address/")"
  for host in my-service.default.svc.cluster.local internal-my-service.default.svc.cluster.local; do
    report "outside, $host is refused" 404 \
      "$(status --insecure --header "Host: $host" "https://$address/")"
  done
  # Inside: from a pod, as the document does it.
  inside=$(kubectl run smoke --image curlimages/curl --restart Never --rm --attach --quiet --command \
    -- curl -s -o /dev/null -w '%{http_code}' http://internal-my-service.default.svc.cluster.local)
  report "inside, internal-my-service is served" 200 "$inside"
fi
exit $failed
