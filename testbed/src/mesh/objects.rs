//! The objects that a cluster's own controllers and kubelets would write.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::MeshError;
use super::kubectl::Kubectl;
use super::programs::Programs;

/// A pod that a gateway's Deployment would make.
#[derive(Clone, Copy, Debug)]
pub struct GatewayPod<'a> {
    /// Its name, which its service account has, too.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels, by which Gateway objects, Services and plugins select it.
    pub labels: &'a [(&'a str, &'a str)],
}

/// Istio's and the Gateway API's kinds, and Istio's namespace.
pub(super) fn foundation(kubectl: &Kubectl, programs: &Programs) -> Result<(), MeshError> {
    for definitions in programs.definitions() {
        let file = definitions.to_string_lossy();
        kubectl.run(&["apply", "--server-side", "--filename", &file], "")?;
    }
    kubectl.apply(&namespace("istio-system").to_string())?;
    let established = "--for=condition=Established";
    kubectl.run(&["wait", established, "--timeout=60s", "crd", "--all"], "")?;
    Ok(())
}

/// Istio's validation at admission, by istiod. `root` is the certificate that it is trusted by.
pub(super) fn validation(root: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": "istio-validator" },
        "webhooks": [{
            "name": "validation.istio.io",
            "clientConfig": {
                "url": "https://istiod.istio-system.svc:15017/validate",
                "caBundle": STANDARD.encode(root),
            },
            "rules": [{
                "operations": ["CREATE", "UPDATE"],
                "apiGroups": [
                    "security.istio.io", "networking.istio.io", "telemetry.istio.io",
                    "extensions.istio.io",
                ],
                "apiVersions": ["*"],
                "resources": ["*"],
            }],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }],
    })
}

/// A namespace.
pub(super) fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// What belongs to a gateway's pod: its service account and itself.
pub(super) fn of_gateway(pod: &GatewayPod<'_>) -> Value {
    let GatewayPod { name, namespace, labels } = pod;
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": { "name": name, "namespace": namespace },
    });
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": {
            "serviceAccountName": name,
            "containers": [{ "name": "istio-proxy", "image": "process" }],
        },
    });
    list(vec![self::namespace(namespace), account, pod])
}

/// The status of a pod that runs.
pub(super) fn running(address: Ipv4Addr) -> Value {
    json!({ "status": {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{ "ip": address }],
        "conditions": [{ "type": "Ready", "status": "True" }],
    } })
}

/// The endpoint of a Service, which a cluster would find by its selector. `ports` are pairs of name
/// and number.
pub(super) fn endpoints(
    service: &str,
    namespace: &str,
    address: Ipv4Addr,
    ports: &[(&str, u16)],
) -> Value {
    let ports: Vec<Value> =
        ports.iter().map(|(name, port)| json!({ "name": name, "port": port })).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-{}", address.octets()[3]),
            "namespace": namespace,
            "labels": { "kubernetes.io/service-name": service },
        },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
        "ports": ports,
    })
}

/// Objects as one.
fn list(items: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}
