#!/bin/sh
# Calls echo.EchoService in each environment through this Envoy, and asks for its readiness:
# smoke.sh [ADDRESS:PORT]. Without an address it calls a pod. Exits with 1 when an answer is not the
# right one.
set -eu
proto=$(dirname "$0")/../asm-grpc-env
address=${1:-$(kubectl -n gatepost get pods --selector app=gatepost-envoy \
  --output jsonpath='{.items[0].status.podIP}'):8080}

failed=0
expect() {                    # WHAT WANTED SEEN
  case $3 in
    *"$2"*) echo "ok: $1 -> $2" ;;
    *) echo "WRONG: $1 -> $3 (expected: $2)"; failed=1 ;;
  esac
}
call() {
  grpcurl -plaintext -max-time 20 -import-path "$proto" -proto echo.proto -rpc-header "env: $1" \
    "$address" echo.EchoService/Call 2>&1 || true
}
status() {
  curl --silent --show-error --max-time 20 --output /dev/null --write-out '%{http_code}' "$@" 2>&1 ||
    true
}

expect 'env: env1' 'ServerEnv:env1, ClientEnv:env1' "$(call env1)"
expect 'env: env2' 'ServerEnv:env2, ClientEnv:env2' "$(call env2)"
expect 'env: nowhere' Unimplemented "$(call nowhere)"
expect "the balancer's probe" 200 "$(status --user-agent GoogleHC/1.0 "http://$address/")"
expect "the kubelet's probe" 200 \
  "$(status --user-agent gatepost-readiness "http://$address/healthz/ready")"
for path in ready quitquitquit; do
  expect "a client at the admin interface's /$path" 404 \
    "$(status --header 'Host: admin.gatepost.internal' "http://$address/$path")"
done
exit $failed
