//! Why a document was not rendered.

use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Writing the document as JSON failed.
    #[error("cannot write the document as JSON: {message}")]
    Json {
        /// The writer's error.
        message: String,
    },
}
