//! Objects that the API server refuses or no longer knows, and files that are no objects yet.

use std::path::Path;

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::object::Object;
use crate::pods::ROOT_NAMESPACE;
use crate::read::Manifests;

/// Versions that are gone: where they went, and since when.
const REMOVED: [(&str, &str, &str); 17] = [
    ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1, since Kubernetes 1.22"),
    ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1, since Kubernetes 1.22"),
    ("networking.k8s.io/v1beta1", "IngressClass", "networking.k8s.io/v1, since Kubernetes 1.22"),
    ("extensions/v1beta1", "Deployment", "apps/v1, since Kubernetes 1.16"),
    ("apps/v1beta1", "Deployment", "apps/v1, since Kubernetes 1.16"),
    ("apps/v1beta2", "Deployment", "apps/v1, since Kubernetes 1.16"),
    ("extensions/v1beta1", "DaemonSet", "apps/v1, since Kubernetes 1.16"),
    ("policy/v1beta1", "PodDisruptionBudget", "policy/v1, since Kubernetes 1.25"),
    ("policy/v1beta1", "PodSecurityPolicy", "pod security admission, since Kubernetes 1.25"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", "autoscaling/v2, since Kubernetes 1.25"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "autoscaling/v2, since Kubernetes 1.26"),
    ("serving.knative.dev/v1alpha1", "Service", "serving.knative.dev/v1"),
    ("serving.knative.dev/v1alpha1", "DomainMapping", "serving.knative.dev/v1beta1"),
    ("domains.cloudrun.com/v1alpha1", "DomainMapping", "serving.knative.dev/v1beta1"),
    ("authentication.istio.io/v1alpha1", "Policy", "PeerAuthentication, since Istio 1.6"),
    ("gateway.networking.k8s.io/v1alpha2", "Gateway", "gateway.networking.k8s.io/v1"),
    ("gateway.networking.k8s.io/v1alpha2", "HTTPRoute", "gateway.networking.k8s.io/v1"),
];

/// The largest request that etcd takes.
const MAX_OBJECT: usize = 1_572_864;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for object in &cluster.manifests.objects {
        findings.extend(removed(object));
        findings.extend(not_text(object));
        findings.extend(too_large(object));
    }
    for operator in cluster.objects("install.istio.io", "IstioOperator") {
        findings.extend(not_generated(cluster, operator));
    }
}

/// An IstioOperator describes the Service and the Deployment of a gateway in words of its own, and
/// changes what comes out by overlays. Only `istioctl` knows the result.
fn not_generated(cluster: &Cluster<'_>, operator: &Object) -> Option<Finding> {
    let namespace = operator.at("spec.namespace").text().unwrap_or(ROOT_NAMESPACE);
    let gateways = operator.at("spec.components.ingressGateways").items();
    let missing = gateways.iter().find(|gateway| {
        let namespace = gateway.get("namespace").text().unwrap_or(namespace);
        let name = gateway.get("name").text().unwrap_or_default();
        gateway.get("enabled").is_true() && cluster.object("", "Service", namespace, name).is_none()
    })?;
    let path = operator.origin.path.display();
    Some(missing.warning(
        "istio-operator",
        format!(
            "the Service and the pods of `{}` are not among the manifests",
            missing.get("name").text().unwrap_or_default()
        ),
        format!("judge what comes of it as well: `istioctl manifest generate --filename {path}`"),
    ))
}

/// A kustomization holds patches beside objects, so its folder is nothing to judge.
pub(super) fn find_kustomizations(manifests: &Manifests, findings: &mut Vec<Finding>) {
    for object in
        manifests.objects.iter().filter(|object| object.group() == "kustomize.config.k8s.io")
    {
        let folder = object.origin.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        findings.push(object.at("kind").error(
            "kustomization",
            "a kustomization is no object, and its folder may hold patches",
            format!(
                "judge what it makes: `kubectl kustomize {} | gatepost check --manifests -`",
                folder.display()
            ),
        ));
    }
}

fn removed(object: &Object) -> Option<Finding> {
    let is_it = |(version, kind, _): &&(&str, &str, &str)| {
        object.api_version == *version && object.origin.kind == *kind
    };
    let (version, kind, successor) = REMOVED.iter().find(is_it)?;
    Some(object.at("apiVersion").error(
        "removed-version",
        format!("no cluster serves {kind} of {version} any more"),
        format!("it is {successor}"),
    ))
}

/// The API server takes text alone here, and YAML makes something else of `true` and `80`.
fn not_text(object: &Object) -> Vec<Finding> {
    let metadata = ["metadata", "spec.template.metadata"].map(|place| object.at(place));
    let fields = metadata
        .iter()
        .flat_map(|metadata| ["annotations", "labels"].map(|name| metadata.get(name).members()));
    let others = fields.flatten().filter(|(_, field)| field.is_number_or_boolean());
    others
        .map(|(name, field)| {
            field.error(
                "not-text",
                format!("the value of `{name}` is no text, and the API server refuses the object"),
                "put it in quotes",
            )
        })
        .collect()
}

fn too_large(object: &Object) -> Option<Finding> {
    let size = object.size();
    (size > MAX_OBJECT).then(|| {
        object.at("kind").error(
            "object-too-large",
            format!("{} has {size} bytes, and etcd takes 1.5 MB", object.origin),
            "use a pattern in place of many mappings, or split the policy between gateways",
        )
    })
}
