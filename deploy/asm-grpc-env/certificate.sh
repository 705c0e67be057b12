#!/bin/sh
# A self-signed certificate for the way from the balancer to the gateway, as the Secret
# edge2mesh-credential. The balancer does not verify it; clients never see it. Needs openssl 1.1.1.
# The CN of the document is the host, and may have 64 characters only; clients read the SAN.
set -eu
. "$(dirname "$0")/common/settings.env"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
umask 077
openssl req -x509 -new -newkey rsa:4096 -nodes -days 365 \
  -subj "/CN=edge2mesh/O=Edge2Mesh Inc" -addext "subjectAltName=DNS:$HOST" \
  -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>"$folder/openssl.log" ||
  { cat "$folder/openssl.log" >&2; exit 1; }
kubectl -n istio-system create secret tls edge2mesh-credential \
  --key "$folder/tls.key" --cert "$folder/tls.crt" --dry-run=client --output yaml |
  kubectl apply --server-side --filename -
