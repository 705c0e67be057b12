#!/bin/sh
# Optional, for tests: the cluster's default domain, so that the services have names of yours
# without a mapping. It needs a wildcard record.
#
#   ./default-domain.sh xxx.com
#
# Knative then makes new hosts (my-service.default.xxx.com), and the policy must name them: the
# mappings' `authority`, and internal-my-service among the private ones.
set -eu
domain=${1:?the new domain}
kubectl patch configmap config-domain --namespace knative-serving --type merge \
  --patch "{\"data\": {\"example.com\": null, \"$domain\": \"\"}}"
