//! Why a document was not rendered.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::istio::IstioVersion;

/// Why a document was not rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RenderError {
    /// Two routes for one host.
    #[error(
        "the host `{host}` has two routes: keep one of them \
         (case, a port and a trailing dot make no difference)"
    )]
    DuplicateHost {
        /// The host, normalised.
        host: String,
    },
    /// An admin interface that others could reach.
    #[error(
        "the admin address {address} is not on loopback: anyone who reaches it can stop Envoy, \
         so use 127.0.0.1 or [::1]"
    )]
    AdminNotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// A route to the whole admin interface.
    #[error(
        "the route of `{host}` leads to the admin interface: who reaches it can stop Envoy. \
         For health checks there is --readiness HOST, which leads to the path /ready alone"
    )]
    RouteToAdmin {
        /// The route's host.
        host: String,
    },
    /// A path that JSON cannot hold.
    #[error(
        "the path {path:?} is not UTF-8, and Envoy's configuration cannot hold it: rename the file"
    )]
    PathNotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// Writing the document failed.
    #[error("cannot write the document: {message}")]
    Write {
        /// The writer's error.
        message: String,
    },
    /// An object that etcd cannot store.
    #[error(
        "this {kind} has {size} bytes, and etcd stores at most {limit}: write patterns \
         (`*.shop.example`, `{{name}}.shop.example`) instead of a line for each host, or run an \
         Envoy of your own, whose policy is a file (`gatepost render envoy --ecds`)"
    )]
    TooLarge {
        /// The object's kind.
        kind: &'static str,
        /// Its size in JSON, in bytes.
        size: usize,
        /// How many etcd takes.
        limit: usize,
    },
    /// Something that a newer Istio has.
    #[error("{what} needs Istio {needs} or newer, and this is for {has}")]
    NeedsIstio {
        /// What.
        what: &'static str,
        /// Since when it is there.
        needs: IstioVersion,
        /// The release that the object is for.
        has: IstioVersion,
    },
    /// An inline filter without a file.
    #[error(
        "an inline EnvoyFilter takes the module from a file (--file): only what a gateway \
         discovers is fetched by Istio's agent"
    )]
    InlineNeedsFile,
    /// A pull secret in an EnvoyFilter.
    #[error(
        "an EnvoyFilter cannot name a pull secret: use a WasmPlugin, or bring the module as a file"
    )]
    EnvoyFilterPullSecret,
    /// Several gateways in an EnvoyFilter.
    #[error("an EnvoyFilter selects the pods of one Gateway: render one for each --target")]
    EnvoyFilterTargets,
    /// A policy that does nothing in a balancer.
    #[error(
        "the policy has health checks alone, and the balancer's own probes pass no plugin: use a \
         HealthCheckPolicy (port 15021, /healthz/ready) for the gateway's Service"
    )]
    GcpProbesAlone,
    /// A policy that is too large for the platform.
    #[error(
        "with this policy the filter takes {needed} bytes of memory, and the platform gives a \
         plugin {limit}: shorten the lists by patterns, or run the policy in the mesh's gateway"
    )]
    GcpMemory {
        /// How much it takes.
        needed: usize,
        /// How much there is.
        limit: usize,
    },
    /// A balancer that takes no plugin.
    #[error(
        "the {origin} in {} makes a classic load balancer, which takes no plugin: only a Gateway \
         of a GKE class does",
        origin.path.display()
    )]
    GcpClassic {
        /// The Ingress.
        origin: Box<gatepost_manifests::Origin>,
    },
}
