//! Pods, by the objects that make them and by the selectors that mean them.

use crate::field::Field;
use crate::object::Object;

/// The namespace whose objects hold for all others, unless the mesh names another one.
pub(crate) const ROOT_NAMESPACE: &str = "istio-system";

/// The label of the pods of a Gateway of the Gateway API.
pub(crate) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// Kinds that make pods, each with its group.
const WORKLOADS: [(&str, &str); 6] = [
    ("apps", "Deployment"),
    ("apps", "DaemonSet"),
    ("apps", "StatefulSet"),
    ("apps", "ReplicaSet"),
    ("argoproj.io", "Rollout"),
    ("", "Pod"),
];

/// What makes pods.
pub(crate) struct Workload<'m> {
    pub object: &'m Object,
    /// The pods' `metadata` and `spec`.
    pub template: Field<'m>,
    pub labels: Labels<'m>,
    /// What is mounted in Istio's own proxy; nothing where the manifests do not say it.
    pub proxy_mounts: Option<Vec<Mount<'m>>>,
}

/// A volume in a container.
pub(crate) struct Mount<'m> {
    /// The folder, or the file of a `subPath`.
    pub path: &'m str,
    /// What says so.
    pub field: Field<'m>,
}

/// Labels, or the labels that a selector asks for.
pub(crate) type Labels<'m> = Vec<(&'m str, &'m str)>;

/// The pods that a selector means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Selection<'m> {
    pub labels: Labels<'m>,
    /// Where they are; nothing for all namespaces.
    pub namespace: Option<&'m str>,
}

impl<'m> Workload<'m> {
    /// What an object makes, if it makes pods.
    pub fn new(object: &'m Object) -> Option<Self> {
        if !WORKLOADS.iter().any(|(group, kind)| object.is(group, kind)) {
            return None;
        }
        let is_pod = object.origin.kind == "Pod";
        let template = if is_pod { object.root() } else { object.at("spec.template") };
        let labels = labels(&template.at("metadata.labels"));
        let proxy_mounts = proxy_mounts(&template);
        Some(Self { object, template, labels, proxy_mounts })
    }
}

/// What is mounted in the container that runs Istio's own image. Another image may have any file in
/// it, and by an annotation Istio mounts volumes itself.
fn proxy_mounts<'m>(template: &Field<'m>) -> Option<Vec<Mount<'m>>> {
    let annotations = template.at("metadata.annotations");
    if annotations.get("sidecar.istio.io/userVolumeMount").exists() {
        return None;
    }
    let containers = template.at("spec.containers").items();
    let proxy = containers.iter().find(|container| is_istios_proxy(container))?;
    let mounts = proxy.get("volumeMounts").items().into_iter();
    Some(
        mounts
            .filter_map(|field| Some(Mount { path: field.get("mountPath").text()?, field }))
            .collect(),
    )
}

/// Whether a container runs Istio's own image, which the webhook fills in for `auto`.
fn is_istios_proxy(container: &Field<'_>) -> bool {
    let Some(image) = container.get("image").text() else {
        return container.get("name").is("istio-proxy");
    };
    let name = image.rsplit('/').next().unwrap_or(image);
    matches!(name.split([':', '@']).next(), Some("auto" | "proxyv2"))
}

impl<'m> Selection<'m> {
    /// The pods that a gateway's or plugin's `matchLabels` mean.
    pub fn new(field: &Field<'m>, namespace: Option<&'m str>) -> Self {
        Self { labels: labels(field), namespace }
    }

    pub fn means(&self, workload: &Workload<'_>) -> bool {
        let is_there = self.namespace.is_none_or(|name| workload.object.namespace() == name);
        is_there && self.labels.iter().all(|label| workload.labels.contains(label))
    }

    /// Whether pods may have both selectors' labels: they ask for one label alike, and for none
    /// with two values.
    pub fn may_be(&self, other: &Selection<'_>) -> bool {
        let apart = self.namespace.zip(other.namespace).is_some_and(|(one, other)| one != other);
        let same = self.labels.iter().any(|label| other.labels.contains(label));
        let conflict = self
            .labels
            .iter()
            .any(|(key, value)| other.labels.iter().any(|(k, v)| k == key && v != value));
        !apart && !conflict && (same || self.labels.is_empty() || other.labels.is_empty())
    }
}

impl std::fmt::Display for Selection<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, (key, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{key}={value}", if number == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The labels that are text.
pub(crate) fn labels<'m>(field: &Field<'m>) -> Labels<'m> {
    let members = field.members().into_iter();
    members.filter_map(|(key, value)| Some((key, value.text()?))).collect()
}
