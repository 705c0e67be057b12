//! A complete static Envoy bootstrap around the filter, as a pure function of a typed description.
//! It writes no file and runs nothing; the test bed does.
//!
//! The document is JSON, not YAML. Envoy chooses its parser by the file's name: `.yaml` and `.yml`
//! are read as YAML, every other name as JSON, that of a pipe included (measured on 1.40.0). JSON
//! is accepted under every name, so it works however the output is kept, and as
//! `envoy -c <(gatepost render envoy …)`. (`-c /dev/stdin` is refused whatever it holds.) Both
//! parsers take a module of hundreds of KiB as one base64 string, and both hand the policy to the
//! filter byte for byte (tests/bootstrap.rs). Fields stand in the order in which a person reads
//! them, with the module after everything of interest in its filter.
//!
//! The fields are those of the v3 API. Envoy refuses a static document that has a field it does not
//! know, so the tests, which start a real Envoy on these documents, also hold every name and type
//! here. Defaults of Envoy's that comments in this module name were read in that API's reference;
//! what was measured says so.
//!
//! ```
//! use gatepost_render::bootstrap::{AccessLog, Bootstrap, FailurePolicy, Module, Plugin, PluginSource, Route};
//! use std::path::Path;
//!
//! let routes: Vec<Route> = vec!["app.example.com=127.0.0.1:9001".parse()?, "*=127.0.0.1:9002".parse()?];
//! let document = Bootstrap {
//!     listen: "127.0.0.1:8080".parse()?,
//!     admin: None,
//!     routes: &routes,
//!     trusted_hops: 0,
//!     access_log: AccessLog::Stdout,
//!     plugin: PluginSource::Static(Plugin {
//!         module: Module::File(Path::new("/etc/gatepost/filter.wasm")),
//!         configuration: r#"{"apiVersion": "gatepost/v1"}"#,
//!         on_failure: FailurePolicy::Closed,
//!     }),
//! }
//! .render()?;
//! assert!(document.contains(r#""domains": ["#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cluster;
mod listener;
mod route;
mod virtual_host;
mod wasm;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// The listener's name in rendered bootstraps, which finds its address again.
pub const LISTENER: &str = "gatepost";

pub use route::{AddressFault, HostFault, NameFault, Route, RouteError, Upstream};
pub use wasm::{FailurePolicy, Module, Plugin, PluginSource};

/// What an Envoy in front of some upstreams does: the input of [`Bootstrap::render`].
#[derive(Clone, Debug)]
pub struct Bootstrap<'a> {
    /// Where clients connect. Port 0 lets the system choose. `[::]` accepts IPv6 only, as Envoy
    /// sets `IPV6_V6ONLY`.
    pub listen: SocketAddr,
    /// Envoy's admin interface, which must be on loopback; `None` leaves it out.
    pub admin: Option<SocketAddr>,
    /// One virtual host and one cluster each. An authority that no route names is answered with
    /// 404.
    pub routes: &'a [Route],
    /// How many of the right-most addresses in `X-Forwarded-For` were written by proxies in front
    /// of this one. 0 believes only the connection itself; behind a Google Cloud load balancer,
    /// which appends `<client>, <balancer>`, it is 2.
    pub trusted_hops: u32,
    /// Where a line for each request goes.
    pub access_log: AccessLog,
    /// The filter, and where its policy comes from.
    pub plugin: PluginSource<'a>,
}

/// Whether Envoy writes a line for each request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// No access log.
    #[default]
    Off,
    /// One line for each request on Envoy's standard output, with `%RESPONSE_CODE_DETAILS%`, which
    /// names the rule of a local reply.
    Stdout,
}

/// Why a document was not rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RenderError {
    /// Two routes for one host.
    #[error(
        "the host `{host}` has two routes: keep one of them (case, a port and a trailing dot make no difference)"
    )]
    DuplicateHost {
        /// The host, normalised.
        host: String,
    },
    /// An admin interface that others could reach.
    #[error(
        "the admin address {address} is not on loopback: whoever reaches it can stop Envoy, so use 127.0.0.1 or [::1]"
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
    /// Writing the document as JSON failed.
    #[error("cannot write the document as JSON: {message}")]
    Json {
        /// What the writer said.
        message: String,
    },
}

impl Bootstrap<'_> {
    /// The document that `envoy -c FILE` takes, ending in a newline.
    ///
    /// # Errors
    /// Two routes for one host, an admin address that is not on loopback, or a path that is not
    /// UTF-8.
    pub fn render(&self) -> Result<String, RenderError> {
        let mut hosts = HashSet::new();
        if let Some(route) = self.routes.iter().find(|route| !hosts.insert(route.host())) {
            return Err(RenderError::DuplicateHost { host: route.host().to_owned() });
        }
        if let Some(address) = self.admin.filter(|address| !address.ip().is_loopback()) {
            return Err(RenderError::AdminNotLoopback { address });
        }
        document(&Document {
            node: Node { id: "gatepost", cluster: "gatepost" },
            admin: self.admin.map(|address| Admin { address: address.into() }),
            static_resources: StaticResources {
                clusters: self.routes.iter().map(cluster::Cluster::of).collect(),
                listeners: vec![listener::Listener::of(self)?],
            },
        })
    }
}

#[derive(Serialize)]
struct Document<'a> {
    node: Node,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<Admin>,
    static_resources: StaticResources<'a>,
}

/// Who this Envoy is. Envoy refuses to discover anything, even from a file, without both fields
/// (measured on 1.40.0).
#[derive(Serialize)]
struct Node {
    id: &'static str,
    cluster: &'static str,
}

#[derive(Serialize)]
struct Admin {
    address: Address,
}

/// Clusters stand before listeners because the listener holds the module, after which nobody reads
/// on.
#[derive(Serialize)]
struct StaticResources<'a> {
    clusters: Vec<cluster::Cluster<'a>>,
    listeners: Vec<listener::Listener<'a>>,
}

/// `config.core.v3.Address`. An IPv6 address stands without brackets.
#[derive(Serialize)]
struct Address {
    socket_address: SocketAddressField,
}

#[derive(Serialize)]
struct SocketAddressField {
    address: String,
    port_value: u16,
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self {
            socket_address: SocketAddressField {
                address: address.ip().to_string(),
                port_value: address.port(),
            },
        }
    }
}

/// `config.core.v3.TypedExtensionConfig`, and every other place where Envoy takes a name and a
/// `google.protobuf.Any`.
#[derive(Serialize)]
struct Extension<T> {
    name: &'static str,
    typed_config: Any<T>,
}

/// A `google.protobuf.Any` in protobuf's JSON: the message's own fields beside its type.
#[derive(Serialize)]
struct Any<T> {
    #[serde(rename = "@type")]
    type_url: &'static str,
    #[serde(flatten)]
    message: T,
}

/// A message without fields.
#[derive(Serialize)]
struct Empty {}

fn document(value: &impl Serialize) -> Result<String, RenderError> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| RenderError::Json { message: error.to_string() })?;
    text.push('\n');
    Ok(text)
}

fn utf8(path: &Path) -> Result<&str, RenderError> {
    path.to_str().ok_or_else(|| RenderError::PathNotUtf8 { path: path.to_owned() })
}

#[cfg(test)]
mod tests;
