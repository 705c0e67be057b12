#!/bin/sh
# A self-signed certificate for trying things out, in a Secret beside the Ingress. The host is a
# subject alternative name: a CN alone, as documented, is refused by every client of today.
#
#   ./certificate.sh NAMESPACE                  # gke-system as documented, istio-system today
#   ./certificate.sh NAMESPACE SECRET DOMAIN    # one more; add the Secret to the Ingress's `tls`
set -eu
. "$(dirname "$0")/common/settings.env"
namespace=${1:?the namespace of the Ingress} secret=${2:-secret-cert} domain=${3:-$DOMAIN}
umask 077
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$domain" \
  -addext "subjectAltName=DNS:$domain" -keyout "$folder/tls.key" -out "$folder/tls.crt"
kubectl create secret tls "$secret" --namespace "$namespace" \
  --cert "$folder/tls.crt" --key "$folder/tls.key" --dry-run=client --output yaml |
  kubectl apply --server-side --filename -
