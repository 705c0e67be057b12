//! What a node does: it runs the pods that the API server has, keeps their volumes up to date, asks
//! their readiness probes, and tells the API server. Controllers and the API server are Kubernetes'
//! own; only this is not, because no container runs. What differs from a kubelet: see docs/mesh.md.

mod container;
mod environment;
mod error;
mod field;
mod lookup;
mod program;
mod running;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::address::{self, HOST, NODE};
use super::cluster::{Cluster, is_ready};
use super::error::MeshError;
use super::names::{self, Hosts};
use super::pod::{Mount, system};

use lookup::Lookup;
use running::Running;

pub(super) use error::PodError;

/// What one pass found.
#[derive(Debug, Default)]
pub(super) struct Pass {
    /// What is not there yet; `None` when the cluster is as its objects say.
    pub pending: Option<String>,
    /// What keeps pods from running, each with its pod. A pod that an object mends later is in it
    /// as long as that object is missing.
    pub failures: Vec<Failure>,
}

/// Why a pod does not run.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub pod: String,
    pub reason: String,
    /// Whether an object that comes later can mend it.
    pub may_pass: bool,
}

/// The node's agent.
pub(super) struct Kubelet {
    client: Client,
    /// Where the pods' folders are.
    folder: PathBuf,
    /// What every pod's root folder has.
    mounts: Vec<Mount>,
    running: BTreeMap<String, Running>,
    /// How many pods there have been.
    pods: u16,
    hosts: Hosts,
}

impl Kubelet {
    /// Registers the node. `images` are the programs and files that images have, besides the
    /// system's.
    pub async fn start(
        client: Client,
        folder: &Path,
        images: Vec<Mount>,
    ) -> Result<Self, MeshError> {
        let addresses = json!([{ "type": "InternalIP", "address": HOST }]);
        let node: Node = of(json!({
            "metadata": { "name": NODE },
            "status": { "addresses": addresses },
        }));
        Api::all(client.clone()).create(&PostParams::default(), &node).await?;
        let hosts = Hosts::new(folder)?;
        let shared = (hosts.path().to_owned(), PathBuf::from(names::PATH));
        let mounts = system().into_iter().chain(images).chain([shared]).collect();
        let folder = folder.join("pods");
        Ok(Self { client, folder, mounts, running: BTreeMap::new(), pods: 0, hosts })
    }

    /// Does what there is to do now, without waiting for anything.
    pub async fn pass(&mut self) -> Result<Pass, MeshError> {
        let cluster = Cluster::read(&self.client).await?;
        let known: BTreeSet<String> = cluster.pods.iter().filter_map(ResourceExt::uid).collect();
        // A pod that was deleted by force is gone at once.
        self.running.retain(|uid, _| known.contains(uid));
        let mut failures = Vec::new();
        for pod in &cluster.pods {
            let failure = self.sync(pod, &cluster).await?;
            failures.extend(failure);
        }
        self.hosts.update(&cluster)?;
        Ok(Pass { pending: cluster.pending(), failures })
    }

    /// What the containers of a pod printed; empty when there is no such pod.
    pub fn log(&self, namespace: &str, name: &str) -> String {
        let is_it = |running: &&Running| running.is(namespace, name);
        self.running.values().find(is_it).map(Running::log).unwrap_or_default()
    }

    async fn sync(&mut self, pod: &Pod, cluster: &Cluster) -> Result<Option<Failure>, kube::Error> {
        let (uid, name) = (pod.uid().unwrap_or_default(), pod.name_any());
        let namespace = pod.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        if pod.metadata.deletion_timestamp.is_some() {
            let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
            let grace = Duration::from_secs(u64::try_from(grace).unwrap_or_default());
            if self.running.get_mut(&uid).is_some_and(|running| !running.has_ended(grace)) {
                return Ok(None);
            }
            self.running.remove(&uid);
            let deleted = pods.delete(&name, &DeleteParams::default().grace_period(0)).await;
            return gone(deleted).map(|_| None);
        }
        let lookup = Lookup {
            namespace: &namespace,
            config_maps: &cluster.config_maps,
            secrets: &cluster.secrets,
        };
        if let Some(running) = self.running.get_mut(&uid) {
            let synced = running.sync(&self.client, pod, &lookup).await;
            let ready = running.is_ready();
            if is_ready(pod) != ready {
                self.write_status(&pods, &name, running_status(pod, address_of(pod), ready))
                    .await?;
            }
            return Ok(synced.err().map(|error| failure(pod, &error)));
        }
        // Its variables and volumes may say its address and its node.
        let mut placed = pod.clone();
        if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none()) {
            let binding = json!({
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": { "name": name },
                "target": { "apiVersion": "v1", "kind": "Node", "name": NODE },
            });
            let bound: Result<Value, _> =
                pods.create_subresource("binding", &name, &PostParams::default(), &binding).await;
            if gone(bound)?.is_none() {
                return Ok(None);
            }
        }
        let address = address::pod(self.pods);
        if let Some(spec) = &mut placed.spec {
            spec.node_name = Some(NODE.to_owned());
        }
        placed.status = Some(of(running_status(pod, address, false)));
        let folder = self.folder.join(format!("{namespace}.{name}"));
        let started =
            Running::start(&self.client, &placed, address, &lookup, &folder, &self.mounts).await;
        match started {
            Ok(running) => {
                self.pods += 1;
                let ready = running.is_ready();
                self.running.insert(uid, running);
                self.write_status(&pods, &name, running_status(pod, address, ready)).await?;
                Ok(None)
            }
            Err(error) => {
                let failure = failure(pod, &error);
                self.write_status(&pods, &name, waiting_status(pod, &failure.reason)).await?;
                Ok(Some(failure))
            }
        }
    }

    async fn write_status(
        &self,
        pods: &Api<Pod>,
        name: &str,
        status: Value,
    ) -> Result<(), kube::Error> {
        let patch = Patch::Merge(json!({ "status": status }));
        gone(pods.patch_status(name, &PatchParams::default(), &patch).await).map(drop)
    }
}

/// An object that was deleted meanwhile is no error.
fn gone<T>(result: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(None),
        Err(error) => Err(error),
    }
}

fn failure(pod: &Pod, error: &PodError) -> Failure {
    let pod = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
    Failure { pod, reason: error.to_string(), may_pass: error.may_pass() }
}

fn address_of(pod: &Pod) -> std::net::Ipv4Addr {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    address.and_then(|address| address.parse().ok()).unwrap_or(HOST)
}

fn running_status(pod: &Pod, address: std::net::Ipv4Addr, ready: bool) -> Value {
    let is = |ready: bool| if ready { "True" } else { "False" };
    let containers = container_statuses(pod, ready, &json!({ "running": {} }));
    json!({
        "phase": "Running",
        "hostIP": HOST,
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": [
            { "type": "PodScheduled", "status": "True" },
            { "type": "Initialized", "status": "True" },
            { "type": "ContainersReady", "status": is(ready) },
            { "type": "Ready", "status": is(ready) },
        ],
        "containerStatuses": containers,
    })
}

/// As a kubelet shows it: `kubectl get pods` has the reason, `kubectl describe` the message.
fn waiting_status(pod: &Pod, message: &str) -> Value {
    let waiting = json!({ "reason": "CreateContainerConfigError", "message": message });
    let containers = container_statuses(pod, false, &json!({ "waiting": waiting }));
    json!({ "phase": "Pending", "containerStatuses": containers })
}

/// A typed object of JSON that is written here.
fn of<T: serde::de::DeserializeOwned + Default>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_default()
}

/// Every container of a pod in one state.
fn container_statuses(pod: &Pod, ready: bool, state: &Value) -> Vec<Value> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let status = |container: &Container| {
        json!({
            "name": container.name,
            "image": container.image,
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": state,
        })
    };
    containers.map(status).collect()
}
