//! `just mesh-figures`: what the mesh takes, how soon a gateway does what an object says, and what
//! thousands of environments cost istiod and Envoy, by an object each and by one cluster header.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use gatepost_e2e::exit_code;
use gatepost_e2e::in_mesh::TARGET;
use gatepost_testbed::client;
use gatepost_testbed::mesh::{self, Mesh};
use http::Version;
use serde_json::{Value, json};

/// How many environments.
const ENVIRONMENTS: usize = 3000;

/// How many changes are measured.
const CHANGES: usize = 7;

const LISTENER: u16 = 8080;
const WITHIN: Duration = Duration::from_secs(120);

/// The programs whose memory and processor time are shown, by the names that the kernel cuts to 15
/// bytes.
const PROGRAMS: [(&str, &str); 5] = [
    ("kube-apiserver", "API server with etcd"),
    ("kube-controller", "controllers"),
    ("pilot-discovery", "istiod"),
    ("pilot-agent", "agent"),
    ("envoy", "Envoy"),
];

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<(), Failure> {
    mesh::enter(Path::new(TARGET))?;
    let figures = Figures::start()?;
    println!("up after {:.1} s", figures.mesh.up_after().as_secs_f64());
    println!("memory: {}", figures.memory());
    figures.plugin()?;

    figures.services()?;
    println!("memory with {ENVIRONMENTS} Services: {}", figures.memory());
    figures.mesh.apply(&list((0..ENVIRONMENTS).map(route).collect()))?;
    figures.ask_until(503, &host(ENVIRONMENTS - 1), None)?;
    println!("memory with a VirtualService each, too: {}", figures.memory());
    figures.changes("a VirtualService each", |number| (host(number), None, vec![route(number)]))?;

    let all = "/apis/networking.istio.io/v1/namespaces/previews/virtualservices";
    figures.mesh.kubectl(&["delete", "--raw", all])?;
    figures.mesh.apply(&virtual_host().to_string())?;
    figures.ask_until(404, &host(0), None)?;
    figures.changes("one cluster header", |number| {
        let cluster = format!("outbound|80||pr-{number}.previews.svc.cluster.local");
        ("any.previews.internal".to_owned(), Some(cluster), Vec::new())
    })
}

struct Figures {
    mesh: Mesh,
    gateway: SocketAddr,
    application: std::net::Ipv4Addr,
    runtime: tokio::runtime::Runtime,
}

impl Figures {
    fn start() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let mut mesh = Mesh::start(Path::new(TARGET))?;
        mesh.apply_gateway()?;
        mesh.apply(&list(vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "previews" } }),
            json!({
                "apiVersion": "networking.istio.io/v1",
                "kind": "Gateway",
                "metadata": { "name": "public", "namespace": "previews" },
                "spec": { "selector": { "istio": "ingressgateway" }, "servers": [{
                    "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"],
                }] },
            }),
            json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": { "name": "app", "namespace": "previews" },
                "spec": {
                    "selector": { "matchLabels": { "app": "app" } },
                    "template": {
                        "metadata": { "labels": { "app": "app" } },
                        "spec": { "containers": [{
                            "name": "app",
                            "image": "example.com/app:1",
                            "ports": [{ "containerPort": 8000 }],
                        }] },
                    },
                },
            }),
        ]))?;
        mesh.converge()?;
        let address = |selector: &str| {
            let pods = mesh.pods(selector)?;
            pods.first().map(|pod| pod.address).ok_or_else(|| Failure::from("no pod"))
        };
        let (gateway, application) = (address("istio=ingressgateway")?, address("app=app")?);
        Ok(Self { gateway: (gateway, LISTENER).into(), application, mesh, runtime })
    }

    /// How soon after `kubectl apply` a plugin decides otherwise.
    fn plugin(&self) -> Result<(), Failure> {
        let module = self.mesh.folder().join("filter.wasm");
        std::fs::write(&module, gatepost_filter_wasm::MODULE)?;
        let mut times = Vec::new();
        for number in 0..CHANGES {
            let plugin = json!({
                "apiVersion": "extensions.istio.io/v1alpha1",
                "kind": "WasmPlugin",
                "metadata": { "name": "gatepost", "namespace": "istio-system" },
                "spec": {
                    "selector": { "matchLabels": { "istio": "ingressgateway" } },
                    "url": format!("file://{}", module.display()),
                    "match": [{ "ports": [{ "number": LISTENER }] }],
                    "pluginConfig": {
                        "apiVersion": "gatepost/v1",
                        "healthChecks": [{
                            "name": "up",
                            "match": { "path": { "exact": "/cart" } },
                            "respond": { "status": 211 + number },
                        }],
                    },
                },
            });
            self.mesh.apply(&plugin.to_string())?;
            let applied = Instant::now();
            self.ask_until(211 + u16::try_from(number)?, "any.example", None)?;
            times.push(applied.elapsed());
        }
        println!("a plugin's change is in effect after: {}", median(times));
        self.mesh.kubectl(&["delete", "wasmplugin", "gatepost", "-n", "istio-system"])?;
        Ok(())
    }

    fn services(&self) -> Result<(), Failure> {
        for first in (0..ENVIRONMENTS).step_by(500) {
            let services = (first..first + 500).map(service).collect();
            self.mesh.apply(&list(services))?;
        }
        Ok(())
    }

    /// Adds environments one after the other, and shows what each costs.
    fn changes(
        &self,
        way: &str,
        environment: impl Fn(usize) -> (String, Option<String>, Vec<Value>),
    ) -> Result<(), Failure> {
        std::thread::sleep(Duration::from_secs(5));
        let (before, mut times) = (processor_time(), Vec::new());
        let first = ENVIRONMENTS + if way.contains("each") { 0 } else { CHANGES };
        for number in first..first + CHANGES {
            let (host, cluster, routes) = environment(number);
            let objects = [vec![service(number), self.endpoint(number)], routes].concat();
            self.mesh.apply(&list(objects))?;
            let applied = Instant::now();
            self.ask_until(200, &host, cluster.as_deref())?;
            times.push(applied.elapsed());
            std::thread::sleep(Duration::from_secs(1));
        }
        let spent: Vec<String> = PROGRAMS
            .iter()
            .zip(processor_time().iter().zip(&before))
            .filter(|((program, _), _)| ["pilot-discovery", "envoy"].contains(program))
            .map(|((_, name), (after, before))| {
                let each = (*after - *before) / u32::try_from(CHANGES).unwrap_or(1);
                format!("{name} {} ms", each.as_millis())
            })
            .collect();
        println!(
            "one more environment by {way}: after {}, processor time {}; memory {}",
            median(times),
            spent.join(", "),
            self.memory()
        );
        Ok(())
    }

    fn endpoint(&self, number: usize) -> Value {
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": format!("pr-{number}-1"),
                "namespace": "previews",
                "labels": { "kubernetes.io/service-name": format!("pr-{number}") },
            },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": [self.application], "conditions": { "ready": true } }],
            "ports": [{ "name": "http", "port": 8000 }],
        })
    }

    fn ask_until(&self, wanted: u16, host: &str, cluster: Option<&str>) -> Result<(), Failure> {
        let started = Instant::now();
        let headers: Vec<(&str, &str)> =
            cluster.map(|cluster| ("x-gatepost-cluster", cluster)).into_iter().collect();
        loop {
            let request = client::get(&format!("http://{host}/cart"), &headers);
            let answer = client::try_send(Version::HTTP_11, self.gateway, request);
            match self.runtime.block_on(answer) {
                Ok(response) if response.status() == wanted => return Ok(()),
                _ if started.elapsed() > WITHIN => {
                    return Err(format!("{host} is not answered with {wanted}").into());
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn memory(&self) -> String {
        let of = |(program, name): &(&str, &str)| {
            let bytes: u64 = processes(program).map(|process| resident(&process)).sum();
            format!("{name} {} MB", bytes >> 20)
        };
        PROGRAMS.iter().map(of).collect::<Vec<_>>().join(", ")
    }
}

fn list(items: Vec<Value>) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

fn host(number: usize) -> String {
    format!("pr-{number}.previews.internal")
}

fn service(number: usize) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": format!("pr-{number}"), "namespace": "previews" },
        "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": 8000 }] },
    })
}

fn route(number: usize) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": format!("pr-{number}"), "namespace": "previews" },
        "spec": { "gateways": ["public"], "hosts": [host(number)], "http": [{ "route": [{
            "destination": { "host": format!("pr-{number}.previews.svc.cluster.local") },
        }] }] },
    })
}

/// The virtual host that `gatepost render routes` writes for a hint header with the cluster.
fn virtual_host() -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": "environments", "namespace": "istio-system" },
        "spec": {
            "workloadSelector": { "labels": { "istio": "ingressgateway" } },
            "configPatches": [{
                "applyTo": "VIRTUAL_HOST",
                "match": { "context": "GATEWAY", "routeConfiguration": { "name": "http.8080" } },
                "patch": { "operation": "ADD", "value": {
                    "name": "environments",
                    "domains": ["*.previews.internal"],
                    "routes": [{
                        "match": {
                            "prefix": "/",
                            "headers": [{ "name": "x-gatepost-cluster", "present_match": true }],
                        },
                        "route": {
                            "cluster_header": "x-gatepost-cluster",
                            "cluster_not_found_response_code": "NOT_FOUND",
                            "timeout": "0s",
                        },
                    }],
                } },
            }],
        },
    })
}

/// The processes of a program, as folders of /proc, which shows the mesh's alone.
fn processes(program: &str) -> impl Iterator<Item = std::path::PathBuf> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(move |process| {
        std::fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim() == program)
    })
}

/// Bytes of memory that a process holds.
fn resident(process: &Path) -> u64 {
    let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() << 10
}

/// What each of the programs has spent so far.
fn processor_time() -> [Duration; PROGRAMS.len()] {
    // Ticks of 10 ms (proc(5), stat); the 14th and 15th field, of which two stand before the name.
    let of = |process: std::path::PathBuf| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    };
    PROGRAMS.map(|(program, _)| processes(program).map(of).sum())
}

fn median(mut times: Vec<Duration>) -> String {
    times.sort();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    let most = times.last().copied().unwrap_or_default();
    format!("{} ms (most {} ms)", middle.as_millis(), most.as_millis())
}
