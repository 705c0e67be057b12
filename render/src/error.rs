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
}
