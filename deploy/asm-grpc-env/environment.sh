#!/bin/sh
# One environment as a release of the application's chart: environment.sh NAME [HELM'S OPTIONS...].
# In the form as-documented add `--values deploy/asm-grpc-env/chart/values-as-documented.yaml`.
set -eu
folder=$(dirname "$0")
. "$folder/common/settings.env"

name=${1:?usage: environment.sh NAME [HELM\'S OPTIONS...]}
shift
# An environment of the kustomization becomes the release's.
helm upgrade "app-$name" "$folder/chart" --install --namespace default --take-ownership \
  --set-string namespace.name="$name" --set-string namespace.labels."istio\.io/rev"="$REVISION" \
  --set-string app.image.repository="$IMAGE_REPOSITORY" --set-string app.image.tag="$IMAGE_TAG" "$@"
