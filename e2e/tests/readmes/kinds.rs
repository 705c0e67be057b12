//! The plugin of a scenario in the other kinds of Istio's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gatepost_render::istio::{Attachment, Insertion, IstioVersion, ModuleSource, Phase, Plugin};
use gatepost_render::{FailurePolicy, RenderError, Rendered};
use gatepost_testbed::mesh::Mesh;
use serde_json::Value;

use crate::root;

/// How long a gateway may take to do what an object says.
const WITHIN: Duration = Duration::from_secs(60);

/// The plugin of a mesh, in whatever kind it is.
struct Applied {
    kind: String,
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    ports: Vec<u16>,
    module: ModuleSource,
    policy: String,
}

type Kind = fn(&Plugin<'_>) -> Result<Rendered, RenderError>;

const KINDS: [(&str, Kind); 3] = [
    ("WasmPlugin", |plugin| plugin.wasm_plugin()),
    ("TrafficExtension", |plugin| plugin.traffic_extension()),
    ("EnvoyFilter", |plugin| plugin.envoy_filter(Insertion::Discovered)),
];

/// Replaces the plugin of a mesh by each of the other kinds. The smoke test passes with each, and
/// does not without.
pub fn are_alike(mesh: &mut Mesh, smoke_test: &str) {
    let plugins = ["get", "wasmplugins,trafficextensions", "-A", "--output", "json"];
    let found: Value = serde_json::from_str(&mesh.kubectl(&plugins).unwrap()).unwrap();
    // A gateway of one's own has its filter in a file.
    let Some(object) = found["items"].get(0) else { return };
    let applied = Applied::of(object);
    let (namespace, mut name) = (applied.namespace.clone(), applied.name.clone());
    let mut kind = applied.kind.clone();
    for (other, render) in KINDS.iter().filter(|(other, _)| *other != applied.kind) {
        mesh.kubectl(&["delete", &kind, &name, "--namespace", &namespace]).unwrap();
        until(mesh, smoke_test, false);
        // Under its old name, Envoy would remember it.
        name = format!("as-{}", other.to_lowercase());
        mesh.apply(&render(&applied.plugin(&name)).unwrap().text).unwrap();
        until(mesh, smoke_test, true);
        kind = (*other).to_owned();
    }
}

/// Waits until the smoke test passes, or does not any more.
fn until(mesh: &mut Mesh, smoke_test: &str, passes: bool) {
    let started = Instant::now();
    loop {
        let tested = mesh.shell(smoke_test, &root());
        if tested.is_ok() == passes {
            return;
        }
        assert!(started.elapsed() < WITHIN, "{smoke_test}: {tested:?}");
    }
}

impl Applied {
    fn of(object: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let spec = &object["spec"];
        let wasm = if spec["wasm"].is_null() { spec } else { &spec["wasm"] };
        let ports = spec["match"][0]["ports"].as_array().unwrap();
        let port = |port: &Value| port["number"].as_u64().unwrap().try_into().unwrap();
        let file = text(&wasm["url"]);
        Self {
            kind: text(&object["kind"]),
            name: text(&object["metadata"]["name"]),
            namespace: text(&object["metadata"]["namespace"]),
            labels: serde_json::from_value(spec["selector"]["matchLabels"].clone()).unwrap(),
            ports: ports.iter().map(port).collect(),
            module: ModuleSource::File(file.strip_prefix("file://").unwrap().to_owned()),
            policy: wasm["pluginConfig"].to_string(),
        }
    }

    fn plugin<'a>(&'a self, name: &'a str) -> Plugin<'a> {
        Plugin {
            name,
            namespace: &self.namespace,
            attachment: Attachment::Selector(self.labels.clone()),
            ports: &self.ports,
            module: &self.module,
            pull_secret: None,
            phase: Phase::Authn,
            priority: None,
            on_failure: FailurePolicy::Reload,
            policy: &self.policy,
            istio: "1.30".parse::<IstioVersion>().unwrap(),
        }
    }
}
