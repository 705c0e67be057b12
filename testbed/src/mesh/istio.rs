//! Istio's own manifests, as `istioctl manifest generate` writes them: its kinds, its control plane
//! with injection and validation, and the ingress gateway of its default profile.

use std::process::Command;

use serde_json::{Value, json};

use super::error::MeshError;
use super::process::{Failed, output};
use super::programs::Programs;

/// What is set otherwise than in the default profile.
const SETTINGS: [&str; 9] = [
    "profile=default",
    // A stock Envoy has none of Istio's own filters.
    "values.pilot.env.PILOT_ENABLE_METADATA_EXCHANGE=false",
    "values.pilot.env.PILOT_ENABLE_ALPN_FILTER=false",
    "values.telemetry.enabled=false",
    // No controller scales anything.
    "values.pilot.autoscaleEnabled=false",
    "values.gateways.istio-ingressgateway.autoscaleEnabled=false",
    // No cloud gives a Service an address.
    "values.gateways.istio-ingressgateway.type=ClusterIP",
    // A mesh is for one user on a small machine.
    "meshConfig.defaultConfig.concurrency=1",
    "meshConfig.defaultConfig.terminationDrainDuration=1s",
];

/// The objects of an installation.
#[derive(Debug)]
pub(super) struct Manifests {
    /// All but the gateway.
    pub control_plane: Vec<Value>,
    /// The ingress gateway: Deployment, Service, and what they need.
    pub gateway: Vec<Value>,
}

impl Manifests {
    pub fn generate(programs: &Programs) -> Result<Self, MeshError> {
        let mut command = Command::new(programs.program("istioctl"));
        command.args(["manifest", "generate"]);
        command.args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
        let failed = |printed| MeshError::Istioctl { printed };
        let text = output(&mut command).map_err(|error| match error {
            Failed::NotRun(error) => failed(error.to_string()),
            Failed::Said(printed) => failed(printed),
        })?;
        // Its first line can be a warning: two of Istio's programs in one know the same variable.
        let objects = text.find("apiVersion:").map_or("", |start| &text[start..]);
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(objects).map_err(|error| failed(error.to_string()))?;
        let objects = objects.into_iter().filter(Value::is_object).map(adapted);
        let (gateway, control_plane) = objects.partition(|object| {
            object["metadata"]["labels"]["operator.istio.io/component"] == "IngressGateways"
        });
        Ok(Self { control_plane, gateway })
    }
}

/// Injection is for gateways only: a sidecar would need its pod's traffic redirected. And the only
/// control plane serves every revision that a namespace or a pod names, and validates every object,
/// as a default revision does.
fn adapted(mut object: Value) -> Value {
    if object["kind"] == "ValidatingWebhookConfiguration" {
        for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
            webhook["objectSelector"] = json!({});
        }
    }
    if object["kind"] != "MutatingWebhookConfiguration" {
        return object;
    }
    for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["matchConditions"] = json!([{
            "name": "gateways",
            "expression": "has(object.metadata.annotations) && \
                'inject.istio.io/templates' in object.metadata.annotations && \
                object.metadata.annotations['inject.istio.io/templates'] == 'gateway'",
        }]);
        for selector in ["namespaceSelector", "objectSelector"] {
            let expressions = webhook[selector]["matchExpressions"].as_array_mut();
            for expression in expressions.into_iter().flatten() {
                if expression["key"] == "istio.io/rev" && expression["operator"] == "In" {
                    *expression = json!({ "key": "istio.io/rev", "operator": "Exists" });
                }
            }
        }
    }
    object
}
