//! `gatepost check --manifests` on what `kubectl` prints: of the mesh, and of kustomizations.

use std::path::Path;

use gatepost_e2e::scenario::write_module;
use gatepost_manifests::{Manifests, judge};
use serde_json::{Value, json};

use crate::plugins::policy;
use crate::rendered::{delete, envoy_filter};
use crate::world::{ENVIRONMENT, LISTENER, World, list, local_gateway};

/// What a user asks `kubectl` for.
const KINDS: &str = "services,deployments,gateways.networking.istio.io,virtualservices,wasmplugins";

/// The codes of what is found in manifests, in their order.
fn codes(manifests: &str) -> Vec<&'static str> {
    let manifests = Manifests::read_from("manifests.yaml", manifests.as_bytes()).unwrap();
    let reports = judge(&manifests, &[]);
    reports.iter().flat_map(|report| report.diagnostics.iter().map(|found| found.code)).collect()
}

/// The API server takes each of these and adds its defaults; the gateway ignores them, or refuses
/// what it should not (see `mistakes.rs`).
pub fn of_a_live_mesh(world: &mut World) {
    world.mesh.apply(&list(vec![local_gateway()]).to_string()).unwrap();
    let target =
        json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public" });
    let mistakes = [
        (None, json!({})),
        (Some("plugin-port"), json!({ "match": [{ "ports": [{ "number": 80 }] }] })),
        (
            Some("plugin-mode"),
            json!({ "match": [{ "mode": "SERVER", "ports": [{ "number": LISTENER }] }] }),
        ),
        (Some("plugin-target"), json!({ "targetRefs": [target], "selector": null })),
        (Some("plugin-on-local-gateway"), json!({ "match": null })),
    ];
    for (expected, change) in mistakes {
        let mut plugin = world.plugin("found", &policy(), Some(LISTENER));
        for (field, value) in change.as_object().unwrap() {
            plugin["spec"][field] = value.clone();
        }
        // A field that is to be gone.
        plugin["spec"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        world.mesh.apply(&plugin.to_string()).unwrap();
        let printed =
            world.mesh.kubectl(&["get", KINDS, "--all-namespaces", "--output", "yaml"]).unwrap();
        let found = codes(&printed);
        // The world has no route for all that the policy writes, and mounts no module.
        let others = ["result-unserved", "module-not-mounted"];
        let found: Vec<_> = found.into_iter().filter(|code| !others.contains(code)).collect();
        assert_eq!(found, Vec::from_iter(expected), "{}", plugin["spec"]);
        world.delete_plugin("found");
    }
    world.mesh.kubectl(&["delete", "gateways.networking.istio.io/local", "-n", "shop"]).unwrap();
}

/// What the documents do is found, and what is made of it today gives nothing.
pub fn of_kustomizations(world: &mut World) {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let folders: [(&str, &[&str]); 9] = [
        ("asm-grpc-env/as-documented", &["health-check-past-filter"]),
        ("asm-grpc-env/today", &[]),
        ("envoy/today", &[]),
        ("external-mesh/as-documented", &[]),
        ("external-mesh/today", &[]),
        (
            "knative-gclb/as-documented",
            &[
                "agent-port",
                "neg-kind",
                "agent-port",
                "sources-snat",
                "forgeable-header",
                "agent-port",
                "domain-mapping-node-port",
                "domain-mapping-twice",
            ],
        ),
        ("knative-gclb/today", &[]),
        ("neg-shared-vpc/as-documented", &["health-check-past-filter"]),
        ("neg-shared-vpc/today", &[]),
    ];
    write_module(&deploy).unwrap();
    for (folder, expected) in folders {
        let path = deploy.join(folder);
        let rendered = world.mesh.kubectl(&["kustomize", &path.to_string_lossy()]).unwrap();
        assert_eq!(codes(&rendered), expected, "{folder}");
    }
}

/// An IstioOperator as operators write it: what it says of the Service is only found in what
/// `istioctl` makes of it.
pub fn of_an_istio_operator(world: &mut World) {
    let annotations = json!({
        "cloud.google.com/neg": r#"{"ingress": true}"#,
        "cloud.google.com/app-protocols": r#"{"grpc": "HTTP2"}"#,
    });
    let operator = json!({
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "metadata": { "name": "istio", "namespace": "istio-system" },
        "spec": { "components": { "ingressGateways": [{
            "name": "istio-ingressgateway", "enabled": true,
            "k8s": { "service": { "type": "ClusterIP" }, "serviceAnnotations": annotations },
        }] } },
    });
    let operator = operator.to_string();
    assert_eq!(codes(&operator), ["istio-operator"]);
    let file = world.mesh.folder().join("operator.json");
    std::fs::write(&file, &operator).unwrap();
    let generate = ["manifest", "generate", "--filename", &file.to_string_lossy()];
    let generated = world.mesh.run("istioctl", &generate).unwrap();
    // Before its output comes a warning of our istioctl, which has istiod in it.
    let generated = &generated[generated.find("apiVersion:").unwrap()..];
    assert_eq!(codes(&format!("{generated}\n---\n{operator}")), ["app-protocols"]);
}

/// An EnvoyFilter that Istio accepts, and Envoy does not as it is meant.
pub fn of_envoy_filters(world: &mut World) {
    let right = envoy_filter(world);
    assert_eq!(codes(&right), Vec::<&str>::new());

    let last = right.replace("INSERT_FIRST", "ADD");
    assert_eq!(codes(&last), ["plugin-after-router"]);
    let refused = "must be the last filter";
    let before = world.gateway_log().matches(refused).count();
    world.mesh.apply(&last).unwrap();
    world.log_until(refused, before);
    assert_eq!(world.ask(ENVIRONMENT, &[]).0, 200, "the listener is as it was");
    delete(world, &last);

    // A name that Envoy has not seen: what is discovered once is kept.
    let (place, config) = right.split_once("applyTo: EXTENSION_CONFIG").unwrap();
    let place = place.replace("name: istio-system.gatepost", "name: istio-system.unseen");
    let misnamed = format!("{place}applyTo: EXTENSION_CONFIG{config}");
    assert_eq!(codes(&misnamed), ["plugin-misnamed"]);
    world.mesh.apply(&misnamed).unwrap();
    world.settle();
    assert_eq!(world.ask(ENVIRONMENT, &[]).0, 200, "the listener waits, so no policy refuses it");
    delete(world, &misnamed);
    // The same object with one name refuses a private host.
    world.mesh.apply(&right).unwrap();
    world.ask_until(404, ENVIRONMENT, &[]);
    delete(world, &right);
    world.ask_until(200, ENVIRONMENT, &[]);
}

/// A route to all of the agent, which a client can then end the gateway with, and one to a port
/// that the Service has not.
pub fn of_destinations(world: &mut World) {
    let entry = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": { "name": "agent", "namespace": "shop" },
        "spec": {
            "hosts": ["agent.internal"], "location": "MESH_EXTERNAL", "resolution": "STATIC",
            "ports": [{ "number": 15020, "name": "http-status", "protocol": "HTTP" }],
            "endpoints": [{ "address": "127.0.0.1" }],
        },
    });
    let route = |name: &str, to: &str, port: u16, matches: Value| {
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": { "name": name, "namespace": "shop" },
            "spec": { "gateways": ["public"], "hosts": [format!("{name}.example")], "http": [{
                "match": matches,
                "route": [{ "destination": { "host": to, "port": { "number": port } } }],
            }] },
        })
    };
    let exact = json!([{ "uri": { "exact": "/healthz/ready" } }]);
    let to_agent = |name: &str, matches| route(name, "agent.internal", 15020, matches);
    let routes = list(vec![
        entry,
        to_agent("open", json!([])),
        to_agent("closed", exact),
        route("of-pods", "app", 8000, json!([])),
        route("of-service", "app", 80, json!([])),
    ]);
    let plugin = world.plugin("destinations", &policy(), Some(LISTENER));
    world.mesh.apply(&plugin.to_string()).unwrap();
    world.mesh.apply(&routes.to_string()).unwrap();
    world.ask_path_until(200, "closed.example", "/healthz/ready", &[]);
    // The agent asks for a POST.
    world.ask_path_until(405, "open.example", "/quitquitquit", &[]);
    world.ask_path_until(404, "closed.example", "/quitquitquit", &[]);
    world.ask_path_until(503, "of-pods.example", "/", &[]);
    world.ask_path_until(200, "of-service.example", "/", &[]);

    let kinds = format!("{KINDS},serviceentries");
    let printed = ["get", &kinds, "--all-namespaces", "--output", "yaml"];
    let printed = world.mesh.kubectl(&printed).unwrap();
    let found = codes(&printed);
    let found: Vec<_> =
        found.into_iter().filter(|code| ["agent-open", "backend-port"].contains(code)).collect();
    assert_eq!(found, ["backend-port", "agent-open"]);
    world.delete_plugin("destinations");
    delete(world, &routes.to_string());
}
