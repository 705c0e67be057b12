#!/bin/sh
# A self-signed certificate for trying things out, in the Secret that the Ingress and the Gateway
# name. The host is a subject alternative name: a CN alone is refused by every client of today.
set -eu
. "$(dirname "$0")/common/settings.env"
umask 077
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$DOMAIN" \
  -addext "subjectAltName=DNS:$DOMAIN" -keyout "$folder/tls.key" -out "$folder/tls.crt"
kubectl create secret tls certificate-platform-ingressgateway --namespace istio-system \
  --cert "$folder/tls.crt" --key "$folder/tls.key" --dry-run=client --output yaml |
  kubectl apply --server-side --filename -
