#!/bin/sh
# A private cluster with a public endpoint, Istio without its gateway, and Knative Serving. The
# documents' add-on `CloudRun` is gone; this installs what was in it. Before it: the network and its
# subnet, and a NAT gateway for the private nodes.
#
# Then apply a form, and `service-type.sh`, `certificate.sh` and `dns.sh` as the README says.
set -eu
. "$(dirname "$0")/common/settings.env"

if ! gcloud container clusters describe "$CLUSTER" --project "$PROJECT" --zone "$ZONE" \
    >/dev/null 2>&1; then
  gcloud container clusters create "$CLUSTER" --project "$PROJECT" --zone "$ZONE" \
    --addons HorizontalPodAutoscaling,HttpLoadBalancing \
    --enable-ip-alias \
    --logging SYSTEM,WORKLOAD --monitoring SYSTEM \
    --machine-type n1-standard-2 \
    --network "$NETWORK" --subnetwork "$SUBNET" \
    --enable-private-nodes --master-ipv4-cidr 172.16.16.0/28 \
    --no-enable-master-authorized-networks
fi
# The API server of a private cluster reaches nodes on 443 and 10250 only. Istio's webhooks listen on
# 15017, Knative's on 8443.
gcloud compute firewall-rules describe "$CLUSTER-webhooks" --project "$PROJECT" >/dev/null 2>&1 ||
  gcloud compute firewall-rules create "$CLUSTER-webhooks" --project "$PROJECT" \
    --network "$NETWORK" --source-ranges 172.16.16.0/28 --allow tcp:15017,tcp:8443
gcloud container clusters get-credentials "$CLUSTER" --project "$PROJECT" --zone "$ZONE"

helm repo add istio https://istio-release.storage.googleapis.com/charts --force-update
helm upgrade --install istio-base istio/base --version "$ISTIO" --namespace istio-system \
  --create-namespace
helm upgrade --install istiod istio/istiod --version "$ISTIO" --namespace istio-system --wait

serving=https://github.com/knative/serving/releases/download/knative-v$KNATIVE
istio=https://github.com/knative-extensions/net-istio/releases/download/knative-v$KNATIVE
kubectl apply --server-side --filename "$serving/serving-crds.yaml"
kubectl wait --for condition=Established --timeout 60s --all crd
kubectl apply --server-side --filename "$serving/serving-core.yaml"
kubectl apply --server-side --filename "$istio/net-istio.yaml"
# What is applied next passes their webhooks.
kubectl wait --for condition=Available --timeout 300s deployment --all --namespace knative-serving
