//! What the API server holds of the objects that lead to pods, and whether all that they ask for is
//! there.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Client, ResourceExt};

/// The objects of all namespaces.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub pods: Vec<Pod>,
    pub config_maps: Vec<ConfigMap>,
    pub secrets: Vec<Secret>,
    pub services: Vec<Service>,
    pub slices: Vec<EndpointSlice>,
    deployments: Vec<Deployment>,
    replica_sets: Vec<ReplicaSet>,
    gateways: Vec<DynamicObject>,
}

impl Cluster {
    /// Asks the API server for all of them.
    pub async fn read(client: &Client) -> Result<Self, kube::Error> {
        let gateway = GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway");
        let gateways = Api::all_with(client.clone(), &ApiResource::from_gvk(&gateway));
        // What leads to others is read first. So what is missing has not been made yet.
        Ok(Self {
            gateways: list(gateways).await?,
            deployments: list(Api::all(client.clone())).await?,
            replica_sets: list(Api::all(client.clone())).await?,
            pods: list(Api::all(client.clone())).await?,
            services: list(Api::all(client.clone())).await?,
            slices: list(Api::all(client.clone())).await?,
            config_maps: list(Api::all(client.clone())).await?,
            secrets: list(Api::all(client.clone())).await?,
        })
    }

    /// What is not there yet, or not gone yet; `None` when nothing is left to do.
    pub fn pending(&self) -> Option<String> {
        self.gateways
            .iter()
            .find_map(|gateway| self.of_gateway(gateway))
            .or_else(|| self.deployments.iter().find_map(of_deployment))
            .or_else(|| self.replica_sets.iter().find_map(|set| self.of_replica_set(set)))
            .or_else(|| self.pods.iter().find_map(|pod| self.of_pod(pod)))
            .or_else(|| self.services.iter().find_map(|service| self.of_service(service)))
    }

    /// Istio makes a Deployment of a gateway, unless it names the address of one that is there.
    fn of_gateway(&self, gateway: &DynamicObject) -> Option<String> {
        let spec = &gateway.data["spec"];
        let is_istios = spec["gatewayClassName"] == "istio" && spec["addresses"].is_null();
        let is_made = self.deployments.iter().any(|made| is_owned(made, gateway));
        (is_istios && !is_made).then(|| format!("{} has no Deployment", named("Gateway", gateway)))
    }

    fn of_replica_set(&self, set: &ReplicaSet) -> Option<String> {
        let name = || named("ReplicaSet", set);
        let mut owners = set.owner_references().iter();
        if owners
            .any(|owner| self.deployments.iter().all(|made| made.uid() != Some(owner.uid.clone())))
        {
            return Some(format!("{} is not deleted", name()));
        }
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let pods = self.pods.iter().filter(|pod| is_owned(*pod, set) && is_ready(pod)).count();
        let is_there = i32::try_from(pods) == Ok(wanted);
        (!is_there).then(|| format!("{} has {pods} ready pods of {wanted}", name()))
    }

    fn of_pod(&self, pod: &Pod) -> Option<String> {
        let name = || named("Pod", pod);
        let mut owners = pod.owner_references().iter().filter(|owner| owner.kind == "ReplicaSet");
        let is_gone = owners
            .any(|owner| self.replica_sets.iter().all(|set| set.uid() != Some(owner.uid.clone())));
        if is_gone || pod.metadata.deletion_timestamp.is_some() {
            return Some(format!("{} is not deleted", name()));
        }
        (!is_ready(pod)).then(|| format!("{} is not ready", name()))
    }

    /// Whether the endpoints of a Service are the ready pods that it selects. With a named port
    /// they may be fewer, because a pod may have no such port.
    fn of_service(&self, service: &Service) -> Option<String> {
        let spec = service.spec.as_ref()?;
        let selector = spec.selector.as_ref().filter(|selector| !selector.is_empty())?;
        let is_named = |port: &IntOrString| matches!(port, IntOrString::String(_));
        let mut targets = spec.ports.iter().flatten().filter_map(|port| port.target_port.as_ref());
        if targets.any(is_named) || spec.type_.as_deref() == Some("ExternalName") {
            return None;
        }
        let is_selected = |pod: &&Pod| {
            pod.namespace() == service.namespace()
                && selector.iter().all(|(key, value)| pod.labels().get(key) == Some(value))
                && (is_ready(pod) || spec.publish_not_ready_addresses == Some(true))
        };
        let pods = self.pods.iter().filter(is_selected);
        let wanted: BTreeSet<String> =
            pods.filter_map(|pod| pod.status.as_ref()?.pod_ip.clone()).collect();
        let found: BTreeSet<String> = self.endpoints(service).collect();
        (wanted != found).then(|| {
            let name = named("Service", service);
            format!("{name} has the endpoints {found:?}, and its ready pods are {wanted:?}")
        })
    }

    /// The ready addresses behind a Service.
    pub fn endpoints(&self, service: &Service) -> impl Iterator<Item = String> {
        let name = service.name_any();
        let is_its = move |slice: &&EndpointSlice| {
            slice.namespace() == service.namespace()
                && slice.labels().get("kubernetes.io/service-name") == Some(&name)
        };
        let endpoints =
            self.slices.iter().filter(is_its).flat_map(|slice| &slice.endpoints).flatten();
        let ready = endpoints.filter(|endpoint| {
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false)
        });
        ready.flat_map(|endpoint| endpoint.addresses.clone())
    }
}

/// Whether a pod's status says that it is ready.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let mut conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn of_deployment(deployment: &Deployment) -> Option<String> {
    let name = || named("Deployment", deployment);
    let status = deployment.status.clone().unwrap_or_default();
    if status.observed_generation != deployment.metadata.generation {
        return Some(format!("{} has changed", name()));
    }
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let counts = [status.replicas, status.updated_replicas, status.ready_replicas];
    let is_there = counts.iter().all(|count| count.unwrap_or(0) == wanted);
    (!is_there).then(|| format!("{} has not {wanted} ready pods", name()))
}

async fn list<K>(api: Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    Ok(api.list(&ListParams::default()).await?.items)
}

fn is_owned(object: &impl ResourceExt, owner: &impl ResourceExt) -> bool {
    object.owner_references().iter().any(|reference| Some(&reference.uid) == owner.uid().as_ref())
}

fn named(kind: &str, object: &impl ResourceExt) -> String {
    format!("{kind} {}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn owner(kind: &str, uid: &str) -> Value {
        json!([{ "apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid }])
    }

    /// A Deployment with one ready pod, and a Service that selects it.
    fn settled() -> Cluster {
        let metadata = |name: &str| json!({ "name": name, "namespace": "shop", "uid": name });
        let mut deployment = metadata("app");
        deployment["generation"] = json!(2);
        let mut set = metadata("app-1");
        set["ownerReferences"] = owner("Deployment", "app");
        let mut pod = metadata("app-1-a");
        pod["ownerReferences"] = owner("ReplicaSet", "app-1");
        pod["labels"] = json!({ "app": "a" });
        Cluster {
            deployments: vec![of(json!({
                "metadata": deployment,
                "status": {
                    "observedGeneration": 2,
                    "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                },
            }))],
            replica_sets: vec![of(json!({ "metadata": set }))],
            pods: vec![of(json!({ "metadata": pod, "status": {
                "podIP": "10.10.1.1", "conditions": [{ "type": "Ready", "status": "True" }],
            } }))],
            services: vec![of(json!({ "metadata": metadata("app"), "spec": {
                "selector": { "app": "a" }, "ports": [{ "port": 80, "targetPort": 8080 }],
            } }))],
            slices: vec![of(json!({
                "metadata": {
                    "name": "app-x", "namespace": "shop",
                    "labels": { "kubernetes.io/service-name": "app" },
                },
                "addressType": "IPv4",
                "endpoints": [{ "addresses": ["10.10.1.1"] }],
            }))],
            ..Cluster::default()
        }
    }

    fn pending(change: impl FnOnce(&mut Cluster)) -> String {
        let mut cluster = settled();
        change(&mut cluster);
        cluster.pending().unwrap_or_default()
    }

    #[test]
    fn nothing_is_pending_when_all_pods_are_ready_and_selected() {
        assert_eq!(pending(|_| {}), "");
    }

    #[test]
    fn a_change_is_pending_until_its_pods_are_ready() {
        let changed = pending(|cluster| cluster.deployments[0].metadata.generation = Some(3));
        assert_eq!(changed, "Deployment shop/app has changed");
        let deleted = pending(|cluster| cluster.pods.clear());
        assert_eq!(deleted, "ReplicaSet shop/app-1 has 0 ready pods of 1");
        let not_selected = pending(|cluster| cluster.slices.clear());
        assert!(
            not_selected.starts_with("Service shop/app has the endpoints {}"),
            "{not_selected}"
        );
    }

    #[test]
    fn what_has_no_owner_any_more_is_pending() {
        let gone = pending(|cluster| cluster.deployments.clear());
        assert_eq!(gone, "ReplicaSet shop/app-1 is not deleted");
        let gone = pending(|cluster| cluster.replica_sets.clear());
        assert_eq!(gone, "Pod shop/app-1-a is not deleted");
    }

    #[test]
    fn a_gateway_of_istios_class_is_pending_until_it_has_a_deployment() {
        let gateway = |spec: Value| {
            of::<DynamicObject>(json!({
                "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
                "metadata": { "name": "edge", "namespace": "shop", "uid": "edge" }, "spec": spec,
            }))
        };
        let istios = json!({ "gatewayClassName": "istio" });
        let made = pending(|cluster| cluster.gateways.push(gateway(istios)));
        assert_eq!(made, "Gateway shop/edge has no Deployment");
        let other = json!({ "gatewayClassName": "gke-l7-global-external-managed" });
        assert_eq!(pending(|cluster| cluster.gateways.push(gateway(other))), "");
    }
}
