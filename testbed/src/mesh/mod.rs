//! A real mesh on this machine, without containers: Kubernetes' API server, Istio's control plane
//! and its gateway agent run as processes, with a stock Envoy. Objects go through admission and
//! etcd, and a gateway gets its configuration over mTLS with a service-account token, as in a
//! cluster. There are no nodes, so pods, their status and their endpoints are written here.
//!
//! Everything runs in namespaces of its own ([`inside`]), with the addresses of [`address`]. So
//! nothing outside sees it, several meshes can run at once, and all of it ends with the process.

pub mod address;
mod control_plane;
mod error;
pub mod gateway;
pub mod inside;
mod kubectl;
pub mod objects;
mod pod;
mod process;
pub mod programs;

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

pub use error::MeshError;

use crate::FileError;

use self::control_plane::{ApiServer, Istiod};
use self::gateway::Gateway;
use self::kubectl::Kubectl;
use self::objects::GatewayPod;
use self::programs::Programs;

/// A running mesh. It ends when this is dropped.
#[derive(Debug)]
pub struct Mesh {
    programs: Programs,
    kubectl: Kubectl,
    gateways: Vec<Gateway>,
    /// How many pods of gateways there were, and addresses of upstreams.
    pods: u8,
    upstreams: u8,
    // They end in this order.
    _istiod: Istiod,
    api_server: ApiServer,
    folder: tempfile::TempDir,
    up_after: Duration,
}

impl Mesh {
    /// Builds the programs where they are missing, and brings the control plane up. The process
    /// must be [inside] its namespaces.
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
        let api_server = ApiServer::start(&programs, folder.path())?;
        let kubectl = Kubectl::new(&programs, api_server.kubeconfig());
        objects::foundation(&kubectl, &programs)?;
        let istiod = Istiod::start(&programs, &kubectl, folder.path())?;
        let up_after = started.elapsed();
        Ok(Self {
            programs,
            kubectl,
            gateways: Vec::new(),
            pods: 0,
            upstreams: 0,
            _istiod: istiod,
            api_server,
            folder,
            up_after,
        })
    }

    /// How long the control plane took to come up, without the build.
    pub fn up_after(&self) -> Duration {
        self.up_after
    }

    /// Where `kubectl` finds the API server.
    pub fn kubeconfig(&self) -> &Path {
        self.api_server.kubeconfig()
    }

    /// The folder with the programs' logs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of `kubectl` and `istioctl`.
    pub fn programs(&self) -> &Path {
        self.programs.folder()
    }

    /// Gives the host an address, for upstreams that run in this process, and makes them the
    /// endpoints of a Service. `ports` are the Service's names and the upstream's numbers.
    ///
    /// # Errors
    /// When the Service's namespace is missing.
    pub fn endpoint(
        &mut self,
        service: &str,
        namespace: &str,
        ports: &[(&str, u16)],
    ) -> Result<Ipv4Addr, MeshError> {
        self.upstreams += 1;
        let address = address::upstream(self.upstreams);
        inside::ip(&["address", "add", &format!("{address}/16"), "dev", inside::BRIDGE])?;
        let endpoints = objects::endpoints(service, namespace, address, ports);
        self.kubectl.apply(&endpoints.to_string())?;
        Ok(address)
    }

    /// What the gateway of an address has logged: its agent and its Envoy. Empty where there is no
    /// such gateway.
    pub fn log(&self, gateway: Ipv4Addr) -> String {
        let found = self.gateways.iter().find(|known| known.address() == gateway);
        found.map(Gateway::log).unwrap_or_default()
    }

    /// Runs `kubectl`.
    ///
    /// # Errors
    /// When it fails: with what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, MeshError> {
        self.kubectl.run(arguments, "")
    }

    /// Applies objects in YAML or JSON: on the server, with strict fields.
    ///
    /// # Errors
    /// When the API server refuses one: with what `kubectl` printed.
    pub fn apply(&self, objects: &str) -> Result<String, MeshError> {
        self.kubectl.apply(objects)
    }

    /// As [`apply`](Self::apply), but nothing is stored.
    ///
    /// # Errors
    /// When the API server refuses an object: with what `kubectl` printed.
    pub fn dry_run(&self, objects: &str) -> Result<String, MeshError> {
        self.kubectl.dry_run(objects)
    }

    /// Starts a pod of a gateway, and returns when it is ready by Istio's own check.
    ///
    /// # Errors
    /// When it does not become ready: with the end of its log.
    pub fn gateway(&mut self, pod: &GatewayPod<'_>) -> Result<&Gateway, MeshError> {
        self.pods += 1;
        let gateway =
            Gateway::start(&self.programs, &self.kubectl, self.folder.path(), pod, self.pods)?;
        self.gateways.push(gateway);
        self.gateways.last().ok_or(MeshError::NoGateway)
    }
}
