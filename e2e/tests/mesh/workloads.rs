//! What manifests create runs: Deployments, gateways that Istio injects or makes, and volumes.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_testbed::echo::GreeterClient;
use gatepost_testbed::mesh::RunningPod;
use serde_json::{Value, json};

use crate::plugins::{ENV2, policy};
use crate::world::{ENVIRONMENT, LISTENER, World, deployment, list, made_gateway, namespace};

/// A Deployment of a gateway as Istio's chart writes it: injection replaces the image, and adds
/// what an agent needs. `volume` is mounted at /etc/gatepost.
fn gateway(name: &str, labels: &Value, volume: Value) -> Value {
    let mut gateway = deployment(
        name,
        "edge",
        labels,
        json!({
            "name": "istio-proxy",
            "image": "auto",
            "volumeMounts": [{ "name": "module", "mountPath": "/etc/gatepost" }],
        }),
    );
    gateway["spec"]["template"]["metadata"]["annotations"] =
        json!({ "inject.istio.io/templates": "gateway" });
    gateway["spec"]["template"]["spec"]["volumes"] = json!([volume]);
    gateway
}

/// The namespace of such gateways, where injection is on.
fn edge() -> Value {
    let mut edge = namespace("edge");
    edge["metadata"]["labels"] = json!({ "istio-injection": "enabled" });
    edge
}

/// An Istio Gateway for pods with these labels, and the application's route in it.
fn routes(labels: &Value) -> [Value; 2] {
    [
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": { "name": "edge", "namespace": "edge" },
            "spec": { "selector": labels, "servers": [{
                "port": { "number": LISTENER, "name": "http", "protocol": "HTTP" },
                "hosts": ["*"],
            }] },
        }),
        json!({
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": { "name": "app", "namespace": "edge" },
            "spec": { "gateways": ["edge"], "hosts": [ENVIRONMENT], "http": [{
                "route": [{ "destination": { "host": "app.shop.svc.cluster.local" } }],
            }] },
        }),
    ]
}

pub fn made_anew(world: &mut World) {
    let app = deployment(
        "made",
        "shop",
        &json!({ "app": "made" }),
        json!({
            "name": "made", "image": "example.com/made:1", "ports": [{ "containerPort": 8000 }],
        }),
    );
    world.mesh.apply(&app.to_string()).unwrap();
    world.mesh.converge().unwrap();
    let first = world.mesh.pods("app=made").unwrap();
    assert_eq!(first.len(), 1);

    world.mesh.kubectl(&["scale", "deployment", "made", "-n", "shop", "--replicas=2"]).unwrap();
    world.mesh.converge().unwrap();
    assert_eq!(world.mesh.pods("app=made").unwrap().len(), 2);

    let pod = &first[0].name;
    world.mesh.kubectl(&["delete", "pod", pod, "-n", "shop", "--wait=false"]).unwrap();
    world.mesh.converge().unwrap();
    let second = world.mesh.pods("app=made").unwrap();
    assert_eq!(second.len(), 2);
    assert!(second.iter().all(|pod| pod.name != first[0].name), "{second:?}");
    assert!(answers(&second[1]));

    world.mesh.kubectl(&["delete", "deployment", "made", "-n", "shop"]).unwrap();
    world.mesh.converge().unwrap();
    assert!(world.mesh.pods("app=made").unwrap().is_empty());
    assert!(!answers(&second[1]));
}

/// Whether the pod has its port open. Nobody refuses a connection to an address that is gone.
fn answers(pod: &RunningPod) -> bool {
    let within = Duration::from_secs(2);
    std::net::TcpStream::connect_timeout(&(pod.address, 8000).into(), within).is_ok()
}

/// No registry: the module comes with a volume. A second gateway has a policy of its own.
pub fn config_map(world: &mut World) {
    let labels = json!({ "app": "edge" });
    let module = |bytes: &[u8]| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "gatepost", "namespace": "edge" },
            "binaryData": { "filter.wasm": STANDARD.encode(bytes) },
        })
    };
    let volume = json!({ "name": "module", "configMap": { "name": "gatepost" } });
    let plugin = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": { "name": "gatepost", "namespace": "edge" },
        "spec": {
            "selector": { "matchLabels": labels },
            "url": "file:///etc/gatepost/filter.wasm",
            "pluginConfig": policy(),
        },
    });
    let first = [edge(), module(gatepost_filter_wasm::MODULE), gateway("edge", &labels, volume)];
    world.mesh.apply(&list(first.into()).to_string()).unwrap();
    let [entry, route] = routes(&labels);
    world.mesh.apply(&list(vec![entry, route, plugin]).to_string()).unwrap();
    world.mesh.converge().unwrap();
    let pod = world.mesh.pods("app=edge").unwrap().remove(0);
    let seen = world.ask_until_at((pod.address, LISTENER).into(), 200, "app.example", &ENV2);
    assert_eq!(seen["upstream"], "app");
    assert_eq!(world.ask("app.example", &ENV2).0, 404, "the other gateway has no plugin");

    // An update reaches the running pod.
    world.mesh.apply(&module(b"another").to_string()).unwrap();
    world.mesh.converge().unwrap();
    let file = format!("pods/edge.{}/volumes/module/filter.wasm", pod.name);
    assert_eq!(std::fs::read(world.mesh.folder().join(file)).unwrap(), b"another");
    let made = ["deployment/edge", "wasmplugin/gatepost", "gateways.networking.istio.io/edge"];
    world.mesh.kubectl(&[&["delete", "-n", "edge"][..], &made].concat()).unwrap();
    world.mesh.converge().unwrap();
}

/// Istio makes Deployment and Service of it, and a plugin binds by `targetRefs`.
pub fn gateway_api(world: &mut World) {
    let gateway = made_gateway("api");
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": "app", "namespace": "shop" },
        "spec": {
            "parentRefs": [{ "name": "api" }],
            "hostnames": [ENVIRONMENT],
            "rules": [{ "backendRefs": [{ "name": "app", "port": 80 }] }],
        },
    });
    world.mesh.apply(&list(vec![gateway, route]).to_string()).unwrap();
    world.mesh.converge().unwrap();
    let selector = "gateway.networking.k8s.io/gateway-name=api";
    let pod = world.mesh.pods(selector).unwrap().remove(0);
    let address = (pod.address, LISTENER).into();
    world.ask_until_at(address, 200, ENVIRONMENT, &[]);
    world.ask_until_at(address, 404, "app.example", &ENV2);

    let target = |name: &str, kind: &str| {
        let mut plugin = world.plugin("targeted", &policy(), None);
        plugin["metadata"]["namespace"] = json!("shop");
        plugin["spec"].as_object_mut().unwrap().remove("selector");
        let group = "gateway.networking.k8s.io";
        plugin["spec"]["targetRefs"] = json!([{ "group": group, "kind": kind, "name": name }]);
        plugin
    };
    world.mesh.apply(&target("api", "Gateway").to_string()).unwrap();
    world.ask_until_at(address, 200, "app.example", &ENV2);

    world.mesh.kubectl(&["delete", "wasmplugin", "targeted", "-n", "shop"]).unwrap();
    let kinds = "gateways.gateway.networking.k8s.io/api";
    world.mesh.kubectl(&["delete", kinds, "-n", "shop"]).unwrap();
    world.mesh.converge().unwrap();
}

pub fn kustomization(world: &mut World) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mesh/echo");
    world.mesh.apply_folder(&folder).unwrap();
    world.mesh.converge().unwrap();
    let pods = world.mesh.pods("app=app-service").unwrap();
    assert_eq!(pods.len(), 2);
    let greeting = world.block_on(async {
        let to = (pods[1].address, 50051).into();
        let client = GreeterClient::connect(to, "app-service.env1").await.unwrap();
        client.with_metadata("env", b"env1").unwrap().say_hello("").await.unwrap()
    });
    assert_eq!(greeting.message, "Hello World! ServerEnv:env1, ClientEnv:env1");
    assert_eq!(greeting.upstream, "app-service");
    world.mesh.kubectl(&["delete", "namespace", "env1", "--wait=false"]).unwrap();
    world.mesh.converge().unwrap();
}

/// A missing ConfigMap holds a pod up until it comes; there is no store for images.
pub fn cannot_run(world: &mut World) {
    let started = Instant::now();
    let labels = json!({ "app": "held" });
    let image = json!({ "name": "module", "image": { "reference": "example.com/filter:1" } });
    world.mesh.apply(&list(vec![edge(), gateway("held", &labels, image)]).to_string()).unwrap();
    let error = world.mesh_fails();
    assert!(error.contains("volume `module`: image volumes cannot be mounted here"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "it waits for what cannot come");

    // An update would keep the old pod until the new one is ready.
    world.mesh.kubectl(&["delete", "deployment", "held", "-n", "edge"]).unwrap();
    world.mesh.converge().unwrap();
    let volume = json!({ "name": "module", "configMap": { "name": "late" } });
    world.mesh.apply(&gateway("held", &labels, volume).to_string()).unwrap();
    let error = world.mesh_fails();
    assert!(error.contains("ConfigMap `late` in namespace `edge` does not exist"), "{error}");
    let late = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "late", "namespace": "edge" },
    });
    world.mesh.apply(&late.to_string()).unwrap();
    world.mesh.converge().unwrap();
    world.mesh.kubectl(&["delete", "deployment", "held", "-n", "edge"]).unwrap();
    world.mesh.converge().unwrap();
}
