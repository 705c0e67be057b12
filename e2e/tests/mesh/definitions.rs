//! The kinds of Knative and of GKE: the API server knows them, and no other fields than theirs.

use serde_json::{Value, json};

use crate::world::World;

fn object(api: &str, kind: &str, spec: &Value) -> Value {
    json!({ "apiVersion": api, "kind": kind, "metadata": { "name": "example" }, "spec": spec })
}

fn edge_extension(extensions: &Value) -> Value {
    object(
        "networking.gke.io/v1",
        "GCPEdgeExtension",
        &json!({
            "targetRefs": [gateway()],
            "extensionChains": [{ "name": "gatepost", "extensions": extensions }],
        }),
    )
}

fn gateway() -> Value {
    json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge" })
}

fn plugin() -> Value {
    json!({
        "name": "gatepost",
        "backendRef": { "group": "networking.gke.io", "kind": "GCPWasmPlugin", "name": "gatepost" },
        "supportedEvents": ["RequestHeaders"],
        "failOpen": false,
    })
}

/// Specifications that real clusters take.
fn examples() -> Vec<Value> {
    let service = json!({ "group": "", "kind": "Service", "name": "istio-ingressgateway" });
    vec![
        object(
            "cloud.google.com/v1",
            "BackendConfig",
            &json!({
                "timeoutSec": 3600,
                "healthCheck": { "requestPath": "/healthz/ready", "port": 15021, "type": "HTTP" },
            }),
        ),
        object(
            "networking.gke.io/v1beta1",
            "FrontendConfig",
            &json!({
                "redirectToHttps": { "enabled": true },
            }),
        ),
        object(
            "networking.gke.io/v1",
            "ManagedCertificate",
            &json!({
                "domains": ["example.com"],
            }),
        ),
        object(
            "networking.gke.io/v1",
            "HealthCheckPolicy",
            &json!({
                "default": { "config": { "type": "HTTP", "httpHealthCheck": {
                    "portSpecification": "USE_FIXED_PORT", "port": 15021,
                    "requestPath": "/healthz/ready",
                } } },
                "targetRef": service,
            }),
        ),
        object(
            "networking.gke.io/v1",
            "GCPBackendPolicy",
            &json!({
                "default": { "timeoutSec": 900 }, "targetRef": service,
            }),
        ),
        object(
            "networking.gke.io/v1",
            "GCPGatewayPolicy",
            &json!({
                "default": { "sslPolicy": "modern" }, "targetRef": gateway(),
            }),
        ),
        object(
            "networking.gke.io/v1",
            "GCPWasmPlugin",
            &json!({
                "versions": [{
                    "name": "v1",
                    "image": "europe-docker.pkg.dev/shop/edge/gatepost:1",
                    "pluginConfigURI": "europe-docker.pkg.dev/shop/edge/policy:1",
                    "weight": 1_000_000,
                }],
                "logConfig": { "enabled": true, "minLogLevel": "WARN" },
            }),
        ),
        edge_extension(&json!([plugin()])),
        object(
            "networking.gke.io/v1",
            "GCPTrafficExtension",
            &json!({
                "targetRefs": [gateway()],
                "extensionChains": [{ "name": "gatepost", "extensions": [plugin()] }],
            }),
        ),
        object(
            "serving.knative.dev/v1",
            "Service",
            &json!({
                "template": { "spec": { "containers": [{ "image": "example.com/app:1" }] } },
            }),
        ),
        object(
            "serving.knative.dev/v1beta1",
            "DomainMapping",
            &json!({
                "ref": { "apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "app" },
            }),
        ),
        object(
            "networking.internal.knative.dev/v1alpha1",
            "ClusterDomainClaim",
            &json!({
                "namespace": "default",
            }),
        ),
    ]
}

pub fn strict(world: &mut World) {
    for example in examples() {
        world.mesh.dry_run(&example.to_string()).unwrap();
        let mut misspelt = example;
        misspelt["spec"]["misspelt"] = json!(1);
        let error = world.mesh.dry_run(&misspelt.to_string()).unwrap_err().to_string();
        assert!(error.contains("misspelt"), "{}: {error}", misspelt["kind"]);
    }
}

/// The platform takes one plugin before routing, which sees the heads of requests only.
pub fn rules(world: &mut World) {
    let refused = |extensions: Value| {
        let error = world.mesh.dry_run(&edge_extension(&extensions).to_string()).unwrap_err();
        error.to_string()
    };
    let two = refused(json!([plugin(), plugin()]));
    assert!(two.contains("must have at most 1 item"), "{two}");
    let mut bodies = plugin();
    bodies["supportedEvents"] = json!(["RequestBody"]);
    let bodies = refused(json!([bodies]));
    assert!(bodies.contains(r#"supported values: "RequestHeaders""#), "{bodies}");
}
