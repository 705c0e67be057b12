//! The mesh of the tests, with Istio's own gateway and an echo upstream behind it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatepost_testbed::client;
use gatepost_testbed::echo::Upstream;
use gatepost_testbed::mesh::Mesh;
use gatepost_testbed::mesh::objects::GatewayPod;
use http::Version;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");

/// How long the mesh may take to do what an object says.
const WITHIN: Duration = Duration::from_secs(30);

/// The listener's port, and the Service's.
pub const LISTENER: u16 = 8080;
pub const SERVICE: u16 = 80;

/// The host that all-in-one writes for the environment env2.
pub const ENVIRONMENT: &str = "app-service.env2.svc.cluster.local";

pub struct World {
    pub mesh: Mesh,
    gateway: Ipv4Addr,
    runtime: Runtime,
    module: PathBuf,
    _upstream: Upstream,
}

impl World {
    pub fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let mut mesh = Mesh::start(Path::new(TARGET)).unwrap();
        let gateway = mesh
            .gateway(&GatewayPod {
                name: "istio-ingressgateway",
                namespace: "istio-system",
                labels: &[("app", "istio-ingressgateway"), ("istio", "ingressgateway")],
            })
            .unwrap()
            .address();
        let module = mesh.folder().join("filter.wasm");
        std::fs::write(&module, gatepost_filter_wasm::MODULE).unwrap();
        mesh.apply(&objects().to_string()).unwrap();
        let address = mesh.endpoint("app", "shop", &[("http", 8000)]).unwrap();
        let upstream = Upstream::start_on((address, 8000).into(), "app", Some("env2"));
        let upstream = runtime.block_on(upstream).unwrap();
        Self { mesh, gateway, runtime, module, _upstream: upstream }
    }

    /// The status of a request to the gateway's public listener, and what the upstream saw. 0 while
    /// there is no listener.
    pub fn ask(&self, host: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let address = SocketAddr::from((self.gateway, LISTENER));
        if std::net::TcpStream::connect(address).is_err() {
            return (0, Value::Null);
        }
        self.runtime.block_on(async {
            let request = client::get(&format!("http://{host}/cart"), headers);
            match client::try_send(Version::HTTP_11, address, request).await {
                Ok(response) if response.status() == 200 => (200, client::echo(response).await),
                Ok(response) => (response.status().as_u16(), Value::Null),
                Err(_) => (0, Value::Null),
            }
        })
    }

    /// Asks until the status is this one.
    pub fn ask_until(&self, wanted: u16, host: &str, headers: &[(&str, &str)]) -> Value {
        let started = Instant::now();
        loop {
            let (status, seen) = self.ask(host, headers);
            if status == wanted {
                return seen;
            }
            assert!(started.elapsed() < WITHIN, "{host}: {status}, and not {wanted}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A plugin for the gateway, with the policy all-in-one.
    pub fn plugin(&self, name: &str, policy: &Value, ports: Option<u16>) -> Value {
        let matches = ports.map(|port| json!([{ "ports": [{ "number": port }] }]));
        let mut plugin = json!({
            "apiVersion": "extensions.istio.io/v1alpha1",
            "kind": "WasmPlugin",
            "metadata": { "name": name, "namespace": "istio-system" },
            "spec": {
                "selector": { "matchLabels": { "istio": "ingressgateway" } },
                "url": format!("file://{}", self.module.display()),
                "phase": "AUTHN",
                "pluginConfig": policy,
            },
        });
        if let (Some(matches), Some(spec)) = (matches, plugin["spec"].as_object_mut()) {
            spec.insert("match".to_owned(), matches);
        }
        plugin
    }

    /// What the gateway's agent and Envoy logged.
    pub fn gateway_log(&self) -> String {
        self.mesh.log(self.gateway)
    }

    pub fn delete_plugin(&self, name: &str) {
        self.mesh.kubectl(&["delete", "wasmplugin", name, "--namespace", "istio-system"]).unwrap();
    }
}

/// A gateway with its Service, and a route to the application for one environment.
fn objects() -> Value {
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop" } });
    let public = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "istio-ingressgateway", "namespace": "istio-system" },
        "spec": {
            "selector": { "istio": "ingressgateway" },
            "ports": [{ "name": "http2", "port": SERVICE, "targetPort": LISTENER }],
        },
    });
    let app = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "app", "namespace": "shop" },
        "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": 8000 }] },
    });
    let gateway = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": { "name": "public", "namespace": "shop" },
        "spec": {
            "selector": { "istio": "ingressgateway" },
            "servers": [{
                "port": { "number": SERVICE, "name": "http", "protocol": "HTTP" },
                "hosts": ["*"],
            }],
        },
    });
    let route = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": "app", "namespace": "shop" },
        "spec": {
            "gateways": ["public"],
            "hosts": [ENVIRONMENT],
            "http": [{ "route": [{ "destination": {
                "host": "app.shop.svc.cluster.local", "port": { "number": 80 },
            } }] }],
        },
    });
    json!({
        "apiVersion": "v1", "kind": "List", "items": [namespace, public, app, gateway, route],
    })
}
