//! Why there is no mesh.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::FileError;
use crate::envoy::fetch::FetchError;

/// Why there is no mesh, or why it does not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// There is no Envoy.
    #[error(transparent)]
    Envoy(#[from] FetchError),
    /// A program of the system is missing.
    #[error("cannot run {program}: {source}. {advice}")]
    Missing {
        /// Its name.
        program: &'static str,
        /// What to do.
        advice: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The kernel does not let this user make namespaces.
    #[error(
        "this machine refuses the mesh a network of its own. {program}: {printed}\n\
         Run it as root, or allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1 \
         (on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)"
    )]
    Namespaces {
        /// The program that asked for it.
        program: &'static str,
        /// What it printed.
        printed: String,
    },
    /// The Go programs do not build.
    #[error("the mesh's Go programs do not build:\n{printed}")]
    Build {
        /// What `go` printed.
        printed: String,
    },
    /// A file operation.
    #[error(transparent)]
    File(#[from] FileError),
    /// A process ended by itself.
    #[error("{name} ended with {status}. The end of its log:\n{log}")]
    Ended {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// A process is not ready in time.
    #[error("{name} is not ready after {waited:?}. The end of its log:\n{log}")]
    NotReady {
        /// Which.
        name: String,
        /// How long it had.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// `kubectl` failed.
    #[error("kubectl {arguments}: {printed}")]
    Kubectl {
        /// Its arguments.
        arguments: String,
        /// What it printed.
        printed: String,
    },
    /// No gateway runs.
    #[error("the mesh has no gateway")]
    NoGateway,
}
