//! The mesh of the tests: Istio's own gateway, and an application behind it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatepost_e2e::in_mesh::TARGET;
use gatepost_testbed::client;
use gatepost_testbed::mesh::{Mesh, RunningPod};
use http::Version;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How long the mesh may take to do what an object says.
const WITHIN: Duration = Duration::from_secs(90);

/// The listener's port, and the Service's.
pub const LISTENER: u16 = 8080;
const SERVICE: u16 = 80;

/// The host that all-in-one writes for the environment env2.
pub const ENVIRONMENT: &str = "app-service.env2.svc.cluster.local";

pub struct World {
    pub mesh: Mesh,
    gateway: RunningPod,
    runtime: Runtime,
    module: PathBuf,
    /// How many changes were applied only to be seen.
    markers: u32,
}

impl World {
    pub fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let mut mesh = Mesh::start(Path::new(TARGET)).unwrap();
        let module = mesh.folder().join("filter.wasm");
        std::fs::write(&module, gatepost_filter_wasm::MODULE).unwrap();
        mesh.apply_gateway().unwrap();
        mesh.apply(&objects().to_string()).unwrap();
        mesh.converge().unwrap();
        let gateway = mesh.pods("istio=ingressgateway").unwrap().remove(0);
        Self { mesh, gateway, runtime, module, markers: 0 }
    }

    /// The status of a request to the gateway's public listener, and what the upstream saw. 0 while
    /// there is no listener.
    pub fn ask(&self, host: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        self.ask_at((self.gateway.address, LISTENER).into(), host, headers)
    }

    /// The status of a path.
    pub fn ask_path(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask_path_at((self.gateway.address, LISTENER).into(), host, path, headers)
    }

    fn ask_path_at(
        &self,
        address: SocketAddr,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> u16 {
        let request = client::get(&format!("http://{host}{path}"), headers);
        let answer = self.runtime.block_on(client::try_send(Version::HTTP_11, address, request));
        answer.map_or(0, |response| response.status().as_u16())
    }

    /// Asks until the status of a path is this one. The agent is not ready for a moment when it is
    /// told of it.
    pub fn ask_path_until(&self, wanted: u16, host: &str, path: &str, headers: &[(&str, &str)]) {
        let address = (self.gateway.address, LISTENER).into();
        self.ask_path_until_at(address, wanted, host, path, headers);
    }

    /// The same of a listener at this address.
    pub fn ask_path_until_at(
        &self,
        address: SocketAddr,
        wanted: u16,
        host: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) {
        let started = Instant::now();
        loop {
            let status = self.ask_path_at(address, host, path, headers);
            if status == wanted {
                return;
            }
            assert!(started.elapsed() < WITHIN, "{host}{path}: {status}, and not {wanted}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The path of the filter's module, in the gateway's container.
    pub fn module(&self) -> String {
        self.module.display().to_string()
    }

    /// The same of a listener at this address.
    pub fn ask_at(
        &self,
        address: SocketAddr,
        host: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
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
        self.ask_until_at((self.gateway.address, LISTENER).into(), wanted, host, headers)
    }

    /// The same of a listener at this address.
    pub fn ask_until_at(
        &self,
        address: SocketAddr,
        wanted: u16,
        host: &str,
        headers: &[(&str, &str)],
    ) -> Value {
        let started = Instant::now();
        loop {
            let (status, seen) = self.ask_at(address, host, headers);
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

    /// Waits until the gateway has everything that was applied before. A change that it shows was
    /// sent after those; and one that was applied when it showed, in a message of its own.
    pub fn settle(&mut self) {
        for _ in 0..2 {
            self.markers += 1;
            let host = format!("marker-{}.example", self.markers);
            let marker = json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": { "name": "marker", "namespace": "shop" },
                "spec": { "gateways": ["public"], "hosts": [host], "http": [{
                    "directResponse": { "status": 418 },
                }] },
            });
            self.mesh.apply(&marker.to_string()).unwrap();
            self.ask_until(418, &host, &[]);
        }
    }

    /// The pod of the gateway.
    pub fn gateway(&self) -> &RunningPod {
        &self.gateway
    }

    /// Waits for something else than the mesh.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Why the mesh does not become what its objects say.
    pub fn mesh_fails(&mut self) -> String {
        self.mesh.converge().unwrap_err().to_string()
    }

    /// Asks until the gateway removes this header from a client's request.
    pub fn ask_until_without(&self, name: &str, headers: &[(&str, &str)]) {
        let started = Instant::now();
        let headers = [headers, &[(name, "client")]].concat();
        while self.ask("app.example", &headers).1["headers"].to_string().contains(name) {
            assert!(started.elapsed() < WITHIN, "{name} arrives");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the gateway has logged a text more often than before.
    pub fn log_until(&self, text: &str, before: usize) {
        let started = Instant::now();
        while self.gateway_log().matches(text).count() <= before {
            assert!(started.elapsed() < WITHIN, "no {text}: {}", self.gateway_log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the gateway's agent and Envoy logged.
    pub fn gateway_log(&self) -> String {
        self.mesh.log(&self.gateway)
    }

    pub fn delete_plugin(&self, name: &str) {
        self.mesh.kubectl(&["delete", "wasmplugin", name, "--namespace", "istio-system"]).unwrap();
    }
}

/// A namespace.
pub fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// Objects as one.
pub fn list(items: Vec<Value>) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": items })
}

/// A Gateway in `shop` for Istio's own gateway.
pub fn gateway(name: &str, servers: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": { "name": name, "namespace": "shop" },
        "spec": { "selector": { "istio": "ingressgateway" }, "servers": servers },
    })
}

/// A gateway for the inside of the cluster on the pods of the public one, as Knative has it.
pub fn local_gateway() -> Value {
    let port = json!({ "number": 8081, "name": "http", "protocol": "HTTP" });
    gateway("local", json!([{ "port": port, "hosts": ["*"] }]))
}

/// A Deployment of one pod with one container.
pub fn deployment(name: &str, namespace: &str, labels: &Value, container: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace },
        "spec": {
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [container] },
            },
        },
    })
}

/// A Gateway of the Gateway API, for which Istio makes a Deployment and a Service.
pub fn made_gateway(name: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "annotations": { "networking.istio.io/service-type": "ClusterIP" },
        },
        "spec": {
            "gatewayClassName": "istio",
            "listeners": [{ "name": "http", "port": LISTENER, "protocol": "HTTP" }],
        },
    })
}

/// The application, and a route to it for one environment.
fn objects() -> Value {
    let app = deployment(
        "app",
        "shop",
        &json!({ "app": "app" }),
        json!({
            "name": "app",
            "image": "example.com/app:1",
            "env": [{ "name": "ENV", "value": "env2" }],
            "ports": [{ "containerPort": 8000, "name": "web" }],
        }),
    );
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "app", "namespace": "shop" },
        "spec": {
            "selector": { "app": "app" },
            "ports": [{ "name": "http", "port": 80, "targetPort": "web" }],
        },
    });
    let port = json!({ "number": SERVICE, "name": "http", "protocol": "HTTP" });
    let gateway = gateway("public", json!([{ "port": port, "hosts": ["*"] }]));
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
    list(vec![namespace("shop"), app, service, gateway, route])
}
