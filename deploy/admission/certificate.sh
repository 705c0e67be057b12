#!/bin/sh
# A certificate for the webhook, for those who have no cert-manager: a Secret, and its authority in
# the configuration. Run it after the kustomization was applied, and again before DAYS are over: API
# servers trust the old and the new one meanwhile, so no apply fails.
#
#   ./certificate.sh [DAYS]
set -eu
days=${1:-365}
name=gatepost-admission
umask 077
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" \
  -subj "/CN=$name" -addext "subjectAltName=DNS:$name.$name.svc" \
  -keyout "$folder/tls.key" -out "$folder/tls.crt"

# What API servers trust now, if anything: the certificate in the Secret.
kubectl get secret "$name-tls" --namespace "$name" --ignore-not-found \
  --output 'jsonpath={.data.tls\.crt}' > "$folder/old"
base64 -d "$folder/old" > "$folder/old.crt"
trusted=$(cat "$folder/old.crt" "$folder/tls.crt" | base64 | tr -d '\n')
for webhook in 0 1; do
  printf '[{"op":"add","path":"/webhooks/%s/clientConfig/caBundle","value":"%s"}]' \
    "$webhook" "$trusted" > "$folder/patch.json"
  kubectl patch validatingwebhookconfiguration "$name" --type json --patch-file "$folder/patch.json"
done

kubectl create secret tls "$name-tls" --namespace "$name" \
  --cert "$folder/tls.crt" --key "$folder/tls.key" --dry-run=client --output yaml |
  kubectl apply --server-side --force-conflicts --filename -
