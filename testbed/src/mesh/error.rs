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
    /// `istioctl` does not write Istio's manifests.
    #[error("istioctl manifest generate: {printed}")]
    Istioctl {
        /// What it printed, or why that is no YAML.
        printed: String,
    },
    /// Another program failed.
    #[error("{command}: {printed}")]
    Program {
        /// It and its arguments.
        command: String,
        /// What it printed.
        printed: String,
    },
    /// The API server does not answer.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// A pod cannot run.
    #[error("pod {pod}: {reason}")]
    Pod {
        /// Its namespace and name.
        pod: String,
        /// Why.
        reason: String,
    },
    /// Pods do not become ready in time.
    #[error("after {waited:?}: {pending}")]
    NotConverged {
        /// How long they had.
        waited: Duration,
        /// What is not there yet.
        pending: String,
    },
}
