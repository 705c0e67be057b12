//! A real mesh on this machine, without containers: Kubernetes' API server and controllers, Istio's
//! control plane and its gateway agent run as processes, with a stock Envoy. Objects go through
//! admission and etcd, controllers make pods and endpoints of them, and a gateway gets its
//! configuration over mTLS with a service-account token, as in a cluster. Only the node's agent is
//! ours ([`Mesh::converge`]): it runs pods as processes in namespaces.
//!
//! Everything runs in namespaces of its own ([`inside`]), with the addresses of [`address`]. So
//! nothing outside sees it, several meshes can run at once, and all of it ends with the process.

pub mod address;
mod cluster;
mod control_plane;
mod error;
pub mod inside;
mod istio;
mod kubectl;
mod kubelet;
mod names;
mod pod;
mod process;
pub mod programs;

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

pub use error::MeshError;

use crate::FileError;

use self::control_plane::ControlPlane;
use self::istio::Manifests;
use self::kubectl::Kubectl;
use self::kubelet::{Failure, Kubelet, Pass};
use self::process::{Failed, output};
use self::programs::Programs;

/// How long pods may take to become ready.
const WITHIN: Duration = Duration::from_secs(120);

/// How long something that stands in the way may do so, when an object that comes later, or a new
/// start, can mend it.
const MENDED_WITHIN: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(50);

/// Continues inside the mesh's namespaces. Call it first in `main`: outside, the mesh's programs
/// are built into the folder for downloads, because inside there is no other network, and this
/// program starts again, so this never returns.
///
/// # Errors
/// When a program of the mesh cannot be built, the kernel refuses, or a program for it is missing.
pub fn enter(downloads: &Path) -> Result<(), MeshError> {
    if !inside::is_entered() {
        Programs::built(downloads)?;
    }
    inside::enter()
}

/// A pod that runs, as it was when somebody asked. There is no equality: the same pod is ready at
/// one time and not at another, so pods are told apart by their names.
#[derive(Clone, Debug)]
pub struct RunningPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Whether its readiness probes pass.
    pub ready: bool,
}

/// A running mesh. It ends when this is dropped.
pub struct Mesh {
    programs: Programs,
    kubectl: Kubectl,
    client: Client,
    manifests: Manifests,
    // They end in this order.
    kubelet: Kubelet,
    control_plane: ControlPlane,
    runtime: Runtime,
    folder: tempfile::TempDir,
    up_after: Duration,
}

impl std::fmt::Debug for Mesh {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Mesh").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Mesh {
    /// Builds the programs where they are missing, and brings the control plane up: Kubernetes' and
    /// Istio's. The process must be [inside] its namespaces.
    ///
    /// # Errors
    /// When a program cannot be built, or does not start; with the end of its log.
    pub fn start(downloads: &Path) -> Result<Self, MeshError> {
        let programs = Programs::built(downloads)?;
        let started = Instant::now();
        let folder = tempfile::Builder::new()
            .prefix("mesh-")
            .tempdir()
            .map_err(FileError::when("create a folder in", &std::env::temp_dir()))?;
        let runtime = Runtime::new().map_err(FileError::when("start", Path::new("tokio")))?;
        let control_plane = ControlPlane::start(&programs, folder.path())?;
        let kubectl = Kubectl::new(&programs, control_plane.kubeconfig());
        let manifests = Manifests::generate(&programs)?;
        let (client, kubelet) = runtime.block_on(async {
            let client = control_plane::client()?;
            // Files of the mesh's folder are seen in pods, where `file://` may name them.
            let mut images = programs.images();
            images.push((folder.path().to_owned(), folder.path().to_owned()));
            let kubelet = Kubelet::start(client.clone(), folder.path(), images).await?;
            Ok::<_, MeshError>((client, kubelet))
        })?;
        let mut mesh = Self {
            programs,
            kubectl,
            client,
            manifests,
            kubelet,
            control_plane,
            runtime,
            folder,
            up_after: Duration::ZERO,
        };
        mesh.foundation()?;
        mesh.up_after = started.elapsed();
        Ok(mesh)
    }

    /// The kinds that Istio does not bring, and Istio's control plane until it validates.
    fn foundation(&mut self) -> Result<(), MeshError> {
        let folders = self.programs.definitions().iter().map(|folder| folder.to_string_lossy());
        let folders: Vec<_> = folders.collect();
        let folders = folders.iter().flat_map(|folder| ["--filename", &**folder]);
        let apply: Vec<&str> = ["apply", "--server-side"].into_iter().chain(folders).collect();
        self.kubectl.run(&apply, "")?;
        let is_definition = |object: &&Value| object["kind"] == "CustomResourceDefinition";
        let (definitions, rest): (Vec<&Value>, Vec<&Value>) =
            self.manifests.control_plane.iter().partition(is_definition);
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "istio-system" },
        });
        let first = [&[&namespace][..], &definitions].concat();
        self.kubectl.apply(&list(&first))?;
        let established = "--for=condition=Established";
        self.kubectl.run(&["wait", established, "--timeout=60s", "crd", "--all"], "")?;
        self.kubectl.apply(&list(&rest))?;
        self.converge()?;
        // Istiod writes its certificate into both, and closes the validation, when it serves them.
        let started = Instant::now();
        while !self.is_guarded()? {
            if started.elapsed() >= WITHIN {
                return Err(MeshError::NotConverged {
                    waited: WITHIN,
                    pending: "istiod does not serve its webhooks".to_owned(),
                });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn is_guarded(&self) -> Result<bool, MeshError> {
        let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
        let found = self.kubectl.run(&["get", kinds, "--output", "json"], "")?;
        let found: Value = serde_json::from_str(&found).unwrap_or_default();
        let mut webhooks = found["items"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|item| item["webhooks"].as_array().into_iter().flatten());
        Ok(webhooks.all(|webhook| {
            webhook["clientConfig"]["caBundle"].is_string() && webhook["failurePolicy"] == "Fail"
        }))
    }

    /// How long the control plane took to come up, without the build.
    pub fn up_after(&self) -> Duration {
        self.up_after
    }

    /// Where `kubectl` finds the API server.
    pub fn kubeconfig(&self) -> &Path {
        self.control_plane.kubeconfig()
    }

    /// The folder with the programs' logs. Pods see it under the same path.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of `kubectl`, `istioctl`, `helm` and `grpcurl`.
    pub fn programs(&self) -> &Path {
        self.programs.folder()
    }

    /// Applies the ingress gateway of Istio's default profile: Deployment, Service and service
    /// account `istio-ingressgateway` in `istio-system`.
    ///
    /// # Errors
    /// When the API server refuses them.
    pub fn apply_gateway(&self) -> Result<(), MeshError> {
        let objects: Vec<&Value> = self.manifests.gateway.iter().collect();
        self.kubectl.apply(&list(&objects)).map(drop)
    }

    /// Runs what the objects ask for, ends what they do not, and waits until all of it is ready:
    /// pods, and the endpoints of Services. Call it after every change of objects that lead to pods
    /// or to their volumes.
    ///
    /// # Errors
    /// When a pod cannot run or does not become ready: with the reason.
    pub fn converge(&mut self) -> Result<(), MeshError> {
        let started = Instant::now();
        let mut first: Option<(Instant, Failure)> = None;
        loop {
            let Pass { pending, failures } = self.runtime.block_on(self.kubelet.pass())?;
            let waited = started.elapsed();
            match failures.into_iter().next() {
                None => first = None,
                Some(failure) => {
                    let (since, _) = first.get_or_insert((Instant::now(), failure.clone()));
                    if !failure.may_pass || since.elapsed() >= MENDED_WITHIN {
                        return Err(failed(failure));
                    }
                }
            }
            match pending {
                None if first.is_none() => return Ok(()),
                Some(pending) if waited >= WITHIN => {
                    return Err(MeshError::NotConverged { waited, pending });
                }
                _ => std::thread::sleep(POLL),
            }
        }
    }

    /// As [`converge`](Self::converge), but does only what can be done now, and gives what is still
    /// pending. For pods that are not meant to become ready, and for a mesh that goes on.
    ///
    /// # Errors
    /// When a pod cannot run: with the reason.
    pub fn step(&mut self) -> Result<Option<String>, MeshError> {
        let Pass { pending, failures } = self.runtime.block_on(self.kubelet.pass())?;
        failures.into_iter().next().map_or(Ok(pending), |failure| Err(failed(failure)))
    }

    /// The pods that a label selector selects, oldest first: `istio=ingressgateway`.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub fn pods(&self, selector: &str) -> Result<Vec<RunningPod>, MeshError> {
        let pods: Api<Pod> = Api::all(self.client.clone());
        let selected = ListParams::default().labels(selector);
        let mut pods = self.runtime.block_on(pods.list(&selected))?.items;
        pods.sort_by_key(|pod| {
            (
                pod.metadata.creation_timestamp.clone(),
                pod.status.as_ref().and_then(|status| status.pod_ip.clone()),
            )
        });
        let running = |pod: Pod| {
            let address = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
            let namespace = pod.namespace().unwrap_or_default();
            let ready = cluster::is_ready(&pod);
            Some(RunningPod { namespace, name: pod.name_any(), address, ready })
        };
        Ok(pods.into_iter().filter_map(running).collect())
    }

    /// What the containers of a pod printed; empty when there is no such pod.
    pub fn log(&self, pod: &RunningPod) -> String {
        self.kubelet.log(&pod.namespace, &pod.name)
    }

    /// Runs `kubectl`.
    ///
    /// # Errors
    /// When it fails: with what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, MeshError> {
        self.kubectl.run(arguments, "")
    }

    /// Runs one of the mesh's other programs, such as `helm`, and gives its standard output.
    ///
    /// # Errors
    /// When it fails: with what it printed.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String, MeshError> {
        let mut command = Command::new(self.programs.program(program));
        command.args(arguments).env("KUBECONFIG", self.kubeconfig());
        output(&mut command).map_err(|failed| MeshError::Program {
            command: format!("{program} {}", arguments.join(" ")),
            printed: match failed {
                Failed::NotRun(error) => error.to_string(),
                Failed::Said(printed) => printed,
            },
        })
    }

    /// Runs a line of a shell in this folder, with the mesh's programs in its path, and gives what
    /// it printed. Meanwhile pods start and end, as in a cluster.
    ///
    /// # Errors
    /// When it fails: with what it printed.
    pub fn shell(&mut self, line: &str, folder: &Path) -> Result<String, MeshError> {
        let programs = self.programs.folder();
        let programs = programs.canonicalize().unwrap_or_else(|_| programs.to_owned());
        let others = std::env::var_os("PATH").unwrap_or_default();
        let mut path = programs.into_os_string();
        path.push(":");
        path.push(others);
        let log = self.folder.path().join("shell.log");
        let out = File::create(&log).map_err(FileError::when("create", &log))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec 2>&1; {line}")])
            .current_dir(folder)
            .env("PATH", path)
            .env("KUBECONFIG", self.kubeconfig())
            .stdin(Stdio::null())
            .stdout(out);
        let no_shell = |error: std::io::Error| MeshError::Program {
            command: line.to_owned(),
            printed: error.to_string(),
        };
        let mut child = command.spawn().map_err(no_shell)?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(no_shell)? {
                break status;
            }
            // What keeps a pod from running is said by `converge`.
            self.runtime.block_on(self.kubelet.pass())?;
            std::thread::sleep(POLL);
        };
        let printed = std::fs::read_to_string(&log).map_err(FileError::when("read", &log))?;
        if status.success() {
            Ok(printed)
        } else {
            Err(MeshError::Program { command: line.to_owned(), printed })
        }
    }

    /// Applies objects in YAML or JSON: on the server, with strict fields.
    ///
    /// # Errors
    /// When the API server refuses one: with what `kubectl` printed.
    pub fn apply(&self, objects: &str) -> Result<String, MeshError> {
        self.kubectl.apply(objects)
    }

    /// Applies the kustomization of a folder in the same way.
    ///
    /// # Errors
    /// When the API server refuses an object: with what `kubectl` printed.
    pub fn apply_folder(&self, folder: &Path) -> Result<String, MeshError> {
        let rendered = self.kubectl.run(&["kustomize", &folder.to_string_lossy()], "")?;
        self.kubectl.apply(&rendered)
    }

    /// As [`apply`](Self::apply), but nothing is stored.
    ///
    /// # Errors
    /// When the API server refuses an object: with what `kubectl` printed.
    pub fn dry_run(&self, objects: &str) -> Result<String, MeshError> {
        self.kubectl.dry_run(objects)
    }
}

fn failed(failure: Failure) -> MeshError {
    MeshError::Pod { pod: failure.pod, reason: failure.reason }
}

/// Objects as one.
fn list(items: &[&Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}
